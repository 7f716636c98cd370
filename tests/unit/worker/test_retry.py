from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from samfleet.jobs.claim import Fault
from samfleet.jobs.queue import QueueUnavailable
from samfleet.jobs.stall import Reason
from samfleet.storage.store import StorageFull, StorageUnavailable
from samfleet.variants.task import TaskInvalid
from samfleet_worker.retry import FailRun, TryAgain, decide
from samfleet_worker.triton.errors import (
    InferenceFailed,
    ModelProcessDied,
    TritonRefused,
    TritonTimeout,
    TritonUnavailable,
    VariantLoadFailed,
)


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1), (1, 2), (2, 4), (4, 16), (5, 30), (24, 30), (10_000, 30)])
def test_the_delay_doubles_up_to_30_seconds(attempts: int, seconds: int) -> None:
    decision = decide(TritonTimeout("late"), attempts)
    assert decision == TryAgain(timedelta(seconds=seconds), Reason("triton_timeout", "late"), surprising=False)
    waiting = decide(TritonUnavailable("down"), 0, attempts)
    assert waiting == TryAgain(timedelta(seconds=seconds), Reason("triton_unavailable", "down"), False, Fault.NOBODY)


@pytest.mark.parametrize(
    ("asked", "seconds"), [(None, 8), (0.0, 8), (7.5, 8), (40.0, 40), (300.0, 300), (301.0, 300), (1e9, 300)]
)
def test_a_server_that_throttles_prolongs_the_delay(asked: float | None, seconds: float) -> None:
    decision = decide(StorageUnavailable("slow down", retry_after_seconds=asked), 0, 3)
    assert isinstance(decision, TryAgain)
    assert (decision.after, decision.fault) == (timedelta(seconds=seconds), Fault.NOBODY)


@pytest.mark.parametrize("error", [TritonTimeout("late"), StorageFull("full")])
def test_an_unavailable_service_is_retried_without_a_traceback(error: Exception) -> None:
    decision = decide(error, 0)
    assert isinstance(decision, TryAgain)
    assert not decision.surprising


@pytest.mark.parametrize("error", [VariantLoadFailed("no weights"), TritonRefused("no"), TaskInvalid("bad")])
def test_permanent_errors_fail_the_run(error: VariantLoadFailed) -> None:
    assert decide(error, 0) == FailRun(error.code, error.message)


AWAY = [
    TritonUnavailable("refused"),
    StorageUnavailable("refused"),
    StorageFull("full"),
    QueueUnavailable("refused"),
    OperationalError("SELECT 1", {}, Exception("the database system is starting up")),
    InterfaceError("SELECT 1", {}, Exception("the connection is closed")),
    PoolTimeoutError("no connection within 30 s"),
]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_an_unavailable_service_counts_no_attempt_of_the_shard(error: Exception) -> None:
    decision = decide(error, 24, 3)
    assert isinstance(decision, TryAgain)
    assert (decision.fault, decision.after, decision.surprising) == (Fault.NOBODY, timedelta(seconds=8), False)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (TritonTimeout("late"), Fault.SHARD),
        (InferenceFailed("boom"), Fault.SHARD),
        (ZeroDivisionError(), Fault.SHARD),
        (ModelProcessDied("the stub process is not healthy"), Fault.UNCERTAIN),
    ],
)
def test_errors_a_shard_may_have_caused_count_against_it(error: Exception, fault: Fault) -> None:
    decision = decide(error, 0)
    assert isinstance(decision, TryAgain)
    assert decision.fault is fault


def test_unforeseen_errors_are_retried_and_logged_with_a_traceback() -> None:
    decision = decide(ZeroDivisionError("division by zero"), 0)
    assert decision == TryAgain(
        timedelta(seconds=1), Reason("internal_error", "ZeroDivisionError: division by zero"), surprising=True
    )
