from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from samfleet.process_identity import identify
from samfleet_cli.local_stack import lock
from samfleet_cli.local_stack.lock import StackAlreadyRuns


def test_a_second_holder_gets_an_error_that_names_the_first(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    with (
        lock.supervise(path) as identity,
        pytest.raises(StackAlreadyRuns, match=str(os.getpid())),
        lock.supervise(path),
    ):
        pytest.fail("two supervisors at once")

    assert identity.pid == os.getpid()


def test_the_lock_can_be_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    for _ in range(2):
        with lock.supervise(path) as identity:
            assert lock.holder(path) == identity


def test_a_recycled_process_id_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    identity = identify(os.getpid())
    assert identity is not None

    path.write_text(json.dumps(asdict(replace(identity, start_ticks=1))), encoding="utf-8")

    assert lock.holder(path) is None


def test_a_missing_lock_has_no_holder(tmp_path: Path) -> None:
    assert lock.holder(tmp_path / "lock") is None


def test_a_released_lock_names_no_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock.supervise(path):
        pass

    assert lock.holder(path) is None


def test_an_exclusion_of_supervisors_is_not_reported_as_a_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    with lock.exclude(path):
        assert lock.holder(path) is None
        with pytest.raises(StackAlreadyRuns), lock.supervise(path):
            pytest.fail("a supervisor came in")
