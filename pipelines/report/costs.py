"""What artifacts cost: seconds to make them, as their runs say, and bytes to keep them, as their manifests say."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from pipelines.report.story import Cost
from resources.artifact import Artifact
from resources.errors import InputError
from resources.lake import Lake
from resources.tracking import FINGERPRINT_TAG

SECONDS = "seconds"


def costs_of(artifacts: Iterable[Artifact], lake: Lake, database: Path) -> tuple[Cost, ...]:
    """The cost of each artifact; one that several snapshots share is counted at the first."""
    seconds = seconds_by_fingerprint(database)
    found: dict[str, Cost] = {}
    for artifact in artifacts:
        if artifact.fingerprint not in found:
            size = sum(int(file["size"]) for file in lake.manifest(artifact)["files"])
            taken = seconds.get(artifact.fingerprint)
            found[artifact.fingerprint] = Cost(artifact.stage, artifact.partition or "", taken, size)
    return tuple(found.values())


def seconds_by_fingerprint(database: Path) -> dict[str, float]:
    """How long each artifact took, from MLflow's SQLite store; empty where there is none.

    Raises:
        InputError: if the file is no MLflow store.
    """
    if not database.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            return dict(
                db.execute(
                    "select t.value, max(m.value) from metrics m"
                    " join tags t on t.run_uuid = m.run_uuid join runs r on r.run_uuid = m.run_uuid"
                    " where m.key = ? and t.key = ? and r.status = 'FINISHED' and r.lifecycle_stage = 'active'"
                    " group by t.value",
                    (SECONDS, FINGERPRINT_TAG),
                ).fetchall()
            )
    except sqlite3.Error as error:
        raise InputError(
            f"{database} cannot be read as MLflow's store ({error}); delete it and `tidemill run` writes it again"
        ) from error
