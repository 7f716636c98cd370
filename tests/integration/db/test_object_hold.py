"""The hold on objects: shared by those who delete, and exclusive for a backup."""

from __future__ import annotations

import threading

from sqlalchemy import Engine, text

from fixtures.waiting import until
from samfleet.db.object_hold import hold_objects, may_delete_objects
from samfleet.db.session import read_only

WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


def test_several_processes_delete_at_the_same_time(engine: Engine) -> None:
    with may_delete_objects(engine) as first, may_delete_objects(engine) as second:
        assert first
        assert second


def test_nothing_is_deleted_while_objects_are_held(engine: Engine) -> None:
    with hold_objects(engine), may_delete_objects(engine) as allowed:
        assert not allowed
    with may_delete_objects(engine) as allowed:
        assert allowed


def test_a_hold_waits_for_a_deletion_in_progress_and_lets_no_other_begin(engine: Engine) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with hold_objects(engine):
            held.set()
            done.wait(30)

    def waiting() -> bool:
        with read_only(engine) as session:
            return bool(session.execute(WAITING).scalar_one())

    thread = threading.Thread(target=hold)
    with may_delete_objects(engine) as allowed:
        assert allowed
        thread.start()
        until(waiting)
        assert not held.is_set()
        with may_delete_objects(engine) as another:
            assert not another
    assert held.wait(30)
    done.set()
    thread.join(30)
