"""Compare the rows of a database with the objects of its store: `python -m samfleet.jobs.check_objects`.

Reads the settings of the database and the store, and changes nothing. Exits with 1 if objects are missing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from sqlalchemy import Engine

from samfleet.config import Settings
from samfleet.db.object_hold import hold_objects
from samfleet.db.session import allow_idle, connect, read_only
from samfleet.jobs.named_objects import NamedObject, named_objects
from samfleet.jobs.orphans import ROOTS
from samfleet.storage.factory import open_store
from samfleet.storage.store import ObjectInfo, ObjectStore


@dataclass(slots=True)
class Comparison:
    """Counts of a comparison. Objects that no row names are deleted by the clean-up once they are old enough.

    They include those of writers in progress. Sizes are in bytes.
    """

    named: int = 0
    named_bytes: int = 0
    missing: int = 0
    unnamed: int = 0
    unnamed_bytes: int = 0


def missing_objects(engine: Engine, store: ObjectStore, counted: Comparison) -> Iterator[NamedObject]:
    """Yield the objects that rows name and the store lacks, and count all. Nothing is deleted meanwhile.

    Both sides are read once, in the order of the keys.
    """
    with hold_objects(engine), read_only(engine) as session:
        allow_idle(session)
        yield from _compare(named_objects(session), store.list(""), counted)


def _compare(named: Iterable[NamedObject], stored: Iterable[ObjectInfo], counted: Comparison) -> Iterator[NamedObject]:
    objects = iter(stored)
    current = next(objects, None)
    for one in named:
        key = one.key.encode()
        while current is not None and current.key.encode() < key:
            _count_unnamed(current, counted)
            current = next(objects, None)
        counted.named += 1
        if current is not None and current.key == one.key:
            counted.named_bytes += current.size
            current = next(objects, None)
        else:
            counted.missing += 1
            yield one
    while current is not None:
        _count_unnamed(current, counted)
        current = next(objects, None)


def _count_unnamed(found: ObjectInfo, counted: Comparison) -> None:
    """Count an object without a row, unless its key is not one of ours."""
    if found.key.startswith(ROOTS):
        counted.unnamed += 1
        counted.unnamed_bytes += found.size


def main() -> None:
    """Print a line of JSON for each missing object, and one with the counts."""
    settings = Settings()
    engine = connect(settings.database_url, pool_size=2, pooling=settings.database_pooling)
    store = open_store(settings.storage_url, s3_endpoint_url=settings.s3_endpoint_url)
    counted = Comparison()
    for missing in missing_objects(engine, store, counted):
        _print({"missing": missing.key, "kind": missing.kind.value, "owner": str(missing.owner)})
    engine.dispose()
    _print(asdict(counted))
    sys.exit(1 if counted.missing else 0)


def _print(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
