"""Names of a backup's members, and the files of the state directory that they hold.

The database's passwords are left out: a restored stack makes new ones. So are Redis, whose messages the sweep sends
again, logs, gates and compiled code, which belong to a machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from samfleet_cli.local_stack.layout import StateDir

DUMP = "database.dump"
OBJECTS = "objects/"
WEIGHTS = "weights/"
API_KEY = "api_key"
SITE_KEY = "site/key.pem"


def kept_files(layout: StateDir, *, weights: bool, secrets: bool) -> Iterator[tuple[str, Path]]:
    """Yield the name and the path of the files beside the database and the objects that exist."""
    if secrets:
        for name, path in ((API_KEY, layout.api_key_file), (SITE_KEY, layout.site_key)):
            if path.is_file():
                yield name, path
    if weights:
        for path in sorted(layout.weights.rglob("*")):
            if path.is_file():
                yield WEIGHTS + path.relative_to(layout.weights).as_posix(), path


def place_of(layout: StateDir, name: str) -> Path | None:
    """Return the path of a member in a state directory; None for a name that this release does not know."""
    known = {API_KEY: layout.api_key_file, SITE_KEY: layout.site_key, DUMP: layout.root / DUMP}
    for folder, root in ((OBJECTS, layout.storage), (WEIGHTS, layout.weights)):
        if name.startswith(folder):
            return root / name.removeprefix(folder)
    return known.get(name)
