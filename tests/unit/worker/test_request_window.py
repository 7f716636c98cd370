from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event

import pytest

from samfleet_worker.request_window import LEAST, RequestWindow

WORK_MS = 10.0


class Stopped(Exception):
    pass


def unchecked() -> None:
    pass


def places_after(window: RequestWindow, queue_ms: float, times: int) -> int:
    for _ in range(times):
        window.heard(queue_ms, WORK_MS)
    return window.places


def test_it_begins_with_the_limit() -> None:
    assert [RequestWindow(most).places for most in (1, 2, 16)] == [1, 2, 16]


def test_it_widens_while_requests_hardly_wait_and_narrows_while_they_wait_long() -> None:
    window = RequestWindow(16)
    assert places_after(window, 3 * WORK_MS, 9) == 7
    assert places_after(window, WORK_MS, 20) == 7
    assert places_after(window, 0.1 * WORK_MS, 3) == 10


@pytest.mark.parametrize("most", [1, 2, 16])
def test_it_stays_between_its_bounds(most: int) -> None:
    window = RequestWindow(most)
    assert places_after(window, 0.0, 50) == most
    assert places_after(window, 1000 * WORK_MS, 50) == min(LEAST, most)


def test_a_reply_without_work_changes_nothing() -> None:
    window = RequestWindow(16)
    window.heard(5.0, 0.0)
    assert window.places == 16


def test_a_thread_waits_for_a_place() -> None:
    window, inside, leave = RequestWindow(1), Event(), Event()

    def hold() -> None:
        with window.place(unchecked):
            inside.set()
            assert leave.wait(20)

    def follow() -> bool:
        with window.place(unchecked):
            return leave.is_set()

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(hold)
        assert inside.wait(20)
        second = threads.submit(follow)
        assert not second.done()
        leave.set()
        assert second.result(20)
        first.result(20)


def test_a_wider_window_lets_a_waiting_thread_in() -> None:
    window = RequestWindow(4)
    assert places_after(window, 3 * WORK_MS, 2) == 2
    with ExitStack() as held, ThreadPoolExecutor(1) as threads:
        for _ in range(2):
            held.enter_context(window.place(unchecked))

        def follow() -> int:
            with window.place(unchecked):
                return window.places

        waiting = threads.submit(follow)
        window.heard(0.0, WORK_MS)
        assert waiting.result(20) == 3


def test_waiting_ends_when_the_check_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samfleet_worker.request_window.CHECK_SECONDS", 0.01)
    window = RequestWindow(1)

    def check() -> None:
        raise Stopped

    with window.place(unchecked), pytest.raises(Stopped), window.place(check):
        pytest.fail("there is no place")
    with window.place(check):
        pass  # the place is free again
