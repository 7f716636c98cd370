from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from samfleet_models.decoder.threads import PromptThreads
from samfleet_models.decoder.workspace import Workspace

CPU = torch.device("cpu")


@pytest.fixture
def lanes() -> Iterator[PromptThreads]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield PromptThreads(CPU)
    torch.set_num_threads(before)


def test_results_come_in_the_items_order(lanes: PromptThreads) -> None:
    assert lanes.map(lambda _, item: item * item, range(50)) == [item * item for item in range(50)]
    assert lanes.map(lambda _, item: item, []) == []


def test_every_lane_has_one_thread_of_torch_and_a_workspace_of_its_own(lanes: PromptThreads) -> None:
    together = threading.Barrier(lanes.count)

    def look(scratch: Workspace, _: int) -> tuple[int, int]:
        together.wait(timeout=60)
        torch.ones(2**20).add_(1)  # large enough that torch would share it out
        return torch.get_num_threads(), id(scratch)

    seen = lanes.map(look, range(lanes.count))
    assert [threads for threads, _ in seen] == [1] * 3
    assert len({workspace for _, workspace in seen}) == 3
    assert torch.get_num_threads() == 3


def test_new_threads_of_others_keep_torchs_number(lanes: PromptThreads) -> None:
    seen: list[int] = []
    other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert seen == [lanes.count] == [3]


def test_inference_mode_is_the_callers(lanes: PromptThreads) -> None:
    def modes() -> set[bool]:
        return set(lanes.map(lambda _, __: torch.is_inference_mode_enabled(), range(8)))

    assert modes() == {False}
    with torch.inference_mode():
        assert modes() == {True}


def test_an_exception_comes_when_nothing_is_at_work_any_more(lanes: PromptThreads) -> None:
    at_work, ended = threading.Event(), threading.Event()

    def work(_: Workspace, item: int) -> None:
        if item == 0:
            at_work.wait(timeout=60)
            raise MemoryError
        at_work.set()
        ended.set()

    with pytest.raises(MemoryError):
        lanes.map(work, range(2))
    assert ended.is_set()


@pytest.mark.parametrize(("count", "expected"), [(0, []), (1, [1]), (2, [1, 1]), (7, [2, 2, 3]), (9, [3, 3, 3])])
def test_shares_are_nearly_equal_and_none_is_empty(lanes: PromptThreads, count: int, expected: list[int]) -> None:
    shares = lanes.shares(count)
    assert [share.stop - share.start for share in shares] == expected
    assert [row for share in shares for row in range(share.start, share.stop)] == list(range(count))


def test_released_memory_is_taken_anew(lanes: PromptThreads) -> None:
    lanes.map(lambda scratch, _: scratch.take("x", 5).fill_(1), range(6))
    lanes.release_memory()
    assert lanes.map(lambda scratch, _: scratch.size_bytes, range(3)) == [0, 0, 0]
