"""Rebuild rollups from image results, of the given runs or of all: `python -m samfleet.rollups RUN_ID…`."""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Sequence

from sqlalchemy import select

from samfleet.config import Settings
from samfleet.db.models import Run
from samfleet.db.session import connect, read_only, transaction
from samfleet.rollups.rebuild import rebuild_run


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m samfleet.rollups", description=__doc__.split(":", 1)[0])
    parser.add_argument("run", nargs="*", type=uuid.UUID, help="id of a run")
    wanted = parser.parse_args(argv).run
    settings = Settings()
    engine = connect(settings.database_url, pooling=settings.database_pooling)
    if not wanted:
        with read_only(engine) as session:
            wanted = session.scalars(select(Run.id).order_by(Run.created_at, Run.id)).all()
    for run_id in wanted:
        with transaction(engine) as session:
            sys.stdout.write(f"run {run_id}: {rebuild_run(session, run_id)} rollups\n")
    engine.dispose()


if __name__ == "__main__":
    main()
