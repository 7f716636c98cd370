from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from samfleet.budget import Budget, BudgetExhausted


def test_the_budget_is_never_exceeded() -> None:
    budget, lock = Budget(10), threading.Lock()
    held, most = 0, 0

    def work(amount: int) -> None:
        nonlocal held, most
        with budget.take(amount):
            with lock:
                held += amount
                most = max(most, held)
            with lock:
                held -= amount

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [1, 7, 3, 10, 4, 6] * 50))
    assert 0 < most <= 10
    with budget.take(10, timeout=0):
        pass


def test_a_request_larger_than_the_budget_runs_alone() -> None:
    budget = Budget(10)
    with budget.take(1000), pytest.raises(BudgetExhausted), budget.take(1, timeout=0):
        pass
    with budget.take(1), pytest.raises(BudgetExhausted), budget.take(1000, timeout=0):
        pass


def test_an_error_returns_the_budget_and_a_refusal_takes_none() -> None:
    budget = Budget(10)
    with pytest.raises(ValueError, match="x"), budget.take(10):
        raise ValueError("x")
    with budget.take(6):
        with pytest.raises(BudgetExhausted), budget.take(5, timeout=0):
            pass
        with budget.take(4, timeout=0):
            pass


def test_a_wait_ends_when_its_check_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samfleet.budget.CHECK_SECONDS", 0.01)
    budget = Budget(10)

    def cancelled() -> None:
        raise KeyError("cancelled")

    with budget.take(10), pytest.raises(KeyError), budget.take(1, check=cancelled):
        pass
    with budget.take(10, timeout=0):
        pass
