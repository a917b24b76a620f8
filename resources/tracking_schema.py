"""Make MLflow's database: `python -m resources.tracking_schema FILE`, a process of its own since it loads MLflow."""

import fcntl
import os
import sys
from pathlib import Path


def make_database(target: Path) -> None:
    """Write MLflow's schema to a temporary file and put it in place whole, once however many ask."""
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return
        for leftover in target.parent.glob(f"{target.name}.making*"):
            leftover.unlink()
        partial = target.with_name(f"{target.name}.making")
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        store = SqlAlchemyStore(f"sqlite:///{partial.resolve()}", (target.parent / "mlruns").resolve().as_uri())  # type: ignore[no-untyped-call]
        store.engine.dispose()
        os.replace(partial, target)


if __name__ == "__main__":
    make_database(Path(sys.argv[1]))
