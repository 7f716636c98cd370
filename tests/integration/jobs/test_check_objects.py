"""The comparison of rows and objects, on files and on S3: what is missing, and what no row names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

from fixtures.worker.ended_runs import ended_run, new_export
from samfleet.db.session import read_only
from samfleet.exports.build import build_export
from samfleet.jobs.check_objects import Comparison, missing_objects
from samfleet.jobs.clean import CleanLimits, clean
from samfleet.jobs.named_objects import NamedObject, named_objects
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.storage.factory import open_store
from samfleet.storage.store import ObjectStore

AT_ONCE = CleanLimits(grace=timedelta(0), unsealed_after=timedelta(days=7), orphans_every=timedelta(0))


def fill(engine: Engine, store: ObjectStore) -> list[NamedObject]:
    """Make a run with an export, and return the objects that rows name, which are all in the store."""
    run = ended_run(engine, store)
    build_export(engine, store, new_export(engine, MemoryTaskQueue(), run, "coco").id, 1000)
    with read_only(engine) as session:
        named = list(named_objects(session))
    for one in named:  # the images of the dataset
        if not store.exists(one.key):
            store.put(one.key, b"picture")
    return named


def test_missing_and_unnamed_objects_are_found(engine: Engine, store: ObjectStore) -> None:
    named = fill(engine, store)
    size = sum(store.size(one.key) for one in named)
    whole = Comparison()
    assert list(missing_objects(engine, store, whole)) == []
    assert whole == Comparison(named=len(named), named_bytes=size)

    lost = [one for one in named if one.kind in {"part", "export"}]
    for one in lost:
        store.delete(one.key)
    run = lost[0].owner
    store.put(f"runs/{run}/parts/000009-1.jsonl.zst", b"four")
    store.put("not/ours", b"x")
    damaged = Comparison()
    assert list(missing_objects(engine, store, damaged)) == lost
    assert (damaged.named, damaged.missing, damaged.unnamed, damaged.unnamed_bytes) == (len(named), len(lost), 1, 4)

    assert clean(engine, store, AT_ONCE).orphans_deleted == 1
    cleaned = Comparison()
    assert len(list(missing_objects(engine, store, cleaned))) == len(lost)
    assert cleaned.unnamed == 0


def test_the_command_exits_with_1_if_objects_are_missing(engine: Engine, tmp_path: Path) -> None:
    store = open_store(url := (tmp_path / "store").as_uri())
    named = fill(engine, store)
    settings = {
        "SAMFLEET_DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "SAMFLEET_STORAGE_URL": url,
    }

    def run() -> tuple[int, list[dict[str, object]]]:
        command = (sys.executable, "-m", "samfleet.jobs.check_objects")
        done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    code, lines = run()
    assert (code, [line["named"] for line in lines]) == (0, [len(named)])
    store.delete(named[0].key)
    code, lines = run()
    assert code == 1
    assert lines[0] == {"missing": named[0].key, "kind": named[0].kind.value, "owner": str(named[0].owner)}
