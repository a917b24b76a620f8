"""The scores of every model on every held-out document, as one table: what the gate decides from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.evaluate.held_out import HeldOutDocument, Unit
from assets.likelihood import Nats
from resources.errors import InputError

TEXTS = ("document", "url", "host", "domain", "snapshot")
DOCUMENTS = pa.schema([*((name, pa.string()) for name in TEXTS), ("tokens", pa.int64()), ("bytes", pa.int64())])
SCHEMA = pa.schema(
    [("model", pa.string()), *list(DOCUMENTS)[: len(TEXTS)], ("nats", pa.float64()), *list(DOCUMENTS)[len(TEXTS) :]]
)


@dataclass(frozen=True)
class Scores:
    """Documents in the order of their ids (a table as `DOCUMENTS`), and each model's nats on them, (documents,)."""

    documents: pa.Table
    nats: Mapping[str, Nats]

    @classmethod
    def of(cls, documents: Sequence[HeldOutDocument], nats: Mapping[str, Nats]) -> Scores:
        rows = [(d.id, d.url, d.host, d.domain, d.snapshot, d.tokens.size - 1, len(d.text.encode())) for d in documents]
        columns = [list(column) for column in zip(*rows, strict=True)]
        return cls(pa.table(columns, schema=DOCUMENTS), nats)

    @classmethod
    def read(cls, path: Path) -> Scores:
        """Read a table that `write` wrote.

        Raises:
            InputError: if it is no such table, or its models were not scored on the same documents.
        """
        try:
            table = pq.read_table(path, schema=SCHEMA)
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise InputError(f"{path} is no table of scores ({error}); run `tidemill verify`") from error
        parts = {name: table.filter(pc.field("model") == name) for name in pc.unique(table["model"]).to_pylist()}
        if not parts:
            raise InputError(f"{path} holds no scores; run the evaluation again")
        documents = next(iter(parts.values())).select(DOCUMENTS.names)
        for name, part in parts.items():
            if not part.select(DOCUMENTS.names).equals(documents):
                raise InputError(f"{path}: {name} was not scored on the same documents; run the evaluation again")
        return cls(documents, {name: part["nats"].to_numpy() for name, part in parts.items()})

    def write(self, path: Path) -> None:
        """Write as Parquet, a row for each model and document."""
        columns = {name: self.documents[name] for name in DOCUMENTS.names}
        tables = [
            pa.table({"model": [name] * len(nats), "nats": nats, **columns}, schema=SCHEMA)
            for name, nats in self.nats.items()
        ]
        pq.write_table(pa.concat_tables(tables), path, compression="zstd")

    def column(self, name: str) -> list[Any]:
        return list(self.documents[name].to_pylist())

    @property
    def sizes(self) -> Nats:
        """UTF-8 bytes of each document."""
        return np.array(self.column("bytes"), np.float64)

    def units(self, unit: Unit) -> list[str]:
        """Each document's unit: what varies as a whole."""
        return self.column("host" if unit == "host" else "url")

    def within(self, domains: Sequence[str]) -> Scores:
        """The part of these domains."""
        rows = np.isin(np.array(self.column("domain"), object), np.array(domains, object))
        return Scores(self.documents.filter(rows), {name: nats[rows] for name, nats in self.nats.items()})
