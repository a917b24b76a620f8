"""The scores of every model on every held-out document, as one table: what the gate decides from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from assets.evaluate.held_out import HeldOutDocument, Unit
from resources.errors import InputError

SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("document", pa.string()),
        ("url", pa.string()),
        ("host", pa.string()),
        ("domain", pa.string()),
        ("snapshot", pa.string()),
        ("nats", pa.float64()),
        ("tokens", pa.int64()),
        ("bytes", pa.int64()),
    ]
)
_OF_DOCUMENT = ("document", "url", "host", "domain", "snapshot", "tokens", "bytes")


@dataclass(frozen=True)
class Scores:
    """Documents in the order of their ids, and each model's nats on them; all columns are (documents,)."""

    document: Sequence[str]
    url: Sequence[str]
    host: Sequence[str]
    domain: Sequence[str]
    snapshot: Sequence[str]
    tokens: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.float64]
    nats: Mapping[str, npt.NDArray[np.float64]]

    @classmethod
    def of(cls, documents: Sequence[HeldOutDocument], nats: Mapping[str, npt.NDArray[np.float64]]) -> Scores:
        return cls(
            document=[document.id for document in documents],
            url=[document.url for document in documents],
            host=[document.host for document in documents],
            domain=[document.domain for document in documents],
            snapshot=[document.snapshot for document in documents],
            tokens=np.array([document.tokens.size for document in documents]),
            sizes=np.array([float(document.size_bytes) for document in documents]),
            nats=nats,
        )

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
        models = np.array(table["model"].to_pylist())
        rows = {name: np.flatnonzero(models == name) for name in dict.fromkeys(models.tolist())}
        if not rows:
            raise InputError(f"{path} holds no scores; run the evaluation again")
        columns = {name: table[name].to_numpy(zero_copy_only=False) for name in SCHEMA.names}
        first = next(iter(rows.values()))
        for name, own in rows.items():
            if columns["document"][own].tolist() != columns["document"][first].tolist():
                raise InputError(f"{path}: {name} was not scored on the same documents; run the evaluation again")
        document, url, host, domain, snapshot, tokens, sizes = (columns[name][first] for name in _OF_DOCUMENT)
        return cls(
            document=document.tolist(),
            url=url.tolist(),
            host=host.tolist(),
            domain=domain.tolist(),
            snapshot=snapshot.tolist(),
            tokens=tokens,
            sizes=sizes.astype(np.float64),
            nats={name: columns["nats"][own] for name, own in rows.items()},
        )

    def write(self, path: Path) -> None:
        """Write as Parquet, a row for each model and document."""
        tables = [
            pa.table(
                {
                    "model": [name] * len(self.document),
                    "document": self.document,
                    "url": self.url,
                    "host": self.host,
                    "domain": self.domain,
                    "snapshot": self.snapshot,
                    "nats": nats,
                    "tokens": self.tokens,
                    "bytes": self.sizes.astype(np.int64),
                },
                schema=SCHEMA,
            )
            for name, nats in self.nats.items()
        ]
        pq.write_table(pa.concat_tables(tables), path, compression="zstd")

    def units(self, unit: Unit) -> Sequence[str]:
        """Each document's unit: what varies as a whole."""
        return self.host if unit == "host" else self.url

    def within(self, domains: Sequence[str]) -> Scores:
        """The part of these domains."""
        rows = [row for row, domain in enumerate(self.domain) if domain in set(domains)]
        return Scores(
            document=[self.document[row] for row in rows],
            url=[self.url[row] for row in rows],
            host=[self.host[row] for row in rows],
            domain=[self.domain[row] for row in rows],
            snapshot=[self.snapshot[row] for row in rows],
            tokens=self.tokens[rows],
            sizes=self.sizes[rows],
            nats={name: nats[rows] for name, nats in self.nats.items()},
        )
