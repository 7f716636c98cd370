from __future__ import annotations

from datetime import timedelta

import pytest

from samfleet.storage.store import StorageFull
from samfleet.variants.task import TaskInvalid
from samfleet_worker.retry import FailRun, TryAgain, decide
from samfleet_worker.triton.errors import TritonRefused, TritonTimeout, TritonUnavailable, VariantLoadFailed


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1), (1, 2), (2, 4), (4, 16), (5, 30), (24, 30), (10_000, 30)])
def test_back_off_doubles_up_to_half_a_minute(attempts: int, seconds: int) -> None:
    decision = decide(TritonUnavailable("down"), attempts)
    assert decision == TryAgain(timedelta(seconds=seconds), "triton_unavailable: down", surprising=False)


@pytest.mark.parametrize("error", [TritonTimeout("late"), StorageFull("full")])
def test_what_is_down_is_tried_again_without_a_traceback(error: Exception) -> None:
    decision = decide(error, 0)
    assert isinstance(decision, TryAgain)
    assert not decision.surprising


@pytest.mark.parametrize("error", [VariantLoadFailed("no weights"), TritonRefused("no"), TaskInvalid("bad")])
def test_what_cannot_mend_itself_fails_the_run(error: VariantLoadFailed) -> None:
    assert decide(error, 0) == FailRun(error.code, error.message)


def test_what_nobody_foresaw_is_tried_again_and_shown() -> None:
    decision = decide(ZeroDivisionError("division by zero"), 0)
    assert decision == TryAgain(timedelta(seconds=1), "ZeroDivisionError: division by zero", surprising=True)
