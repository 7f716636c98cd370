"""The stack that is backed up: its database and its objects, while it runs or while it is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from samfleet.db.session import connect
from samfleet.storage.file_store import FileStore
from samfleet.storage.store import ObjectStore
from samfleet_cli.backups.errors import NothingToBackUp, PartIsElsewhere, StackUnsupervised
from samfleet_cli.backups.postgres_tools import serving
from samfleet_cli.local_stack import lock
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.leftovers import leftovers
from samfleet_cli.local_stack.part import PartState
from samfleet_cli.local_stack.stack import running_stack
from samfleet_cli.local_stack.state import read_state

_EMBEDDED = {"postgres": "SAMFLEET_DATABASE_URL", "storage": "SAMFLEET_STORAGE_URL"}


@dataclass(frozen=True, slots=True)
class Source:
    layout: StateDir
    database_url: str
    engine: Engine
    store: ObjectStore


@contextmanager
def open_source(state_dir: Path) -> Iterator[Source]:
    """Open the stack of a directory. The PostgreSQL of a stopped stack runs for the block, and `up` is refused."""
    layout = StateDir(state_dir.resolve())
    _require_embedded(layout)
    running = running_stack(layout.root)
    if running is not None:
        with _connected(layout, running.database_url) as source:
            yield source
        return
    with lock.exclude(layout.lock_file):
        if left := leftovers(layout):
            raise StackUnsupervised(
                f"the stack in {layout.root} runs without a supervisor ({len(left)} processes); `samfleet up` takes it "
                "over, `samfleet down` stops it; then repeat this"
            )
        with serving(layout) as url, _connected(layout, url) as source:
            yield source


@contextmanager
def _connected(layout: StateDir, url: str) -> Iterator[Source]:
    engine = connect(url, pool_size=2)
    try:
        yield Source(layout, url, engine, FileStore(layout.storage))
    finally:
        engine.dispose()


def _require_embedded(layout: StateDir) -> None:
    state = read_state(layout.state_file)
    for part in state.parts if state else ():
        if part.state is PartState.EXTERNAL and part.name in _EMBEDDED:
            raise PartIsElsewhere(
                f"{part.name} of this stack is at {part.address} ({_EMBEDDED[part.name]}), so this command cannot back "
                'it up; see "Managed PostgreSQL and S3" in docs/backup.md'
            )
    if not (layout.postgres_data / "PG_VERSION").exists():
        raise NothingToBackUp(
            f"{layout.root} has no database of a stack; name the stack's directory in SAMFLEET_STATE_DIR"
        )
