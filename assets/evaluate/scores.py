"""The scores of every model on every held-out document, as one table: what the gate decides from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assets.evaluate.held_out import HeldOutDocument, Unit
from assets.likelihood import Nats
from resources.errors import InputError

TEXTS = ("document", "url", "domain", "snapshot")
DOCUMENTS = pa.schema([*((name, pa.string()) for name in TEXTS), ("tokens", pa.int64()), ("bytes", pa.int64())])


@dataclass(frozen=True)
class Scores:
    """Documents in the order of their ids (a table as `DOCUMENTS`), and each model's nats on them, (documents,)."""

    documents: pa.Table
    nats: Mapping[str, Nats]

    @classmethod
    def of(cls, documents: Sequence[HeldOutDocument], nats: Mapping[str, Nats]) -> Scores:
        rows = [(d.id, d.url, d.domain, d.snapshot, d.tokens.size - 1, len(d.text.encode())) for d in documents]
        columns = [list(column) for column in zip(*rows, strict=True)]
        return cls(pa.table(columns, schema=DOCUMENTS), nats)

    @classmethod
    def read(cls, path: Path) -> Scores:
        """Read a table that `write` wrote; an InputError says that it is none."""
        try:
            table = pq.read_table(path)
            documents = table.select(DOCUMENTS.names)
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise InputError(f"{path} is no table of scores ({error}); run `tidemill verify`") from error
        models = table.column_names[len(DOCUMENTS) :]
        return cls(documents, {name: table[name].to_numpy() for name in models})

    def write(self, path: Path) -> None:
        """Write as Parquet: a row for each document, a column for each model's nats."""
        columns = {name: self.documents[name] for name in DOCUMENTS.names}
        pq.write_table(pa.table({**columns, **self.nats}), path, compression="zstd")

    def column(self, name: str) -> list[Any]:
        return list(self.documents[name].to_pylist())

    @property
    def sizes(self) -> Nats:
        """UTF-8 bytes of each document."""
        return np.array(self.column("bytes"), np.float64)

    def units(self, unit: Unit) -> list[str]:
        """Each document's unit: what varies as a whole."""
        return self.column("domain" if unit == "host" else "url")

    def within(self, domains: Sequence[str]) -> Scores:
        """The part of these domains."""
        rows = np.isin(np.array(self.column("domain"), object), np.array(domains, object))
        return Scores(self.documents.filter(rows), {name: nats[rows] for name, nats in self.nats.items()})
