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


def test_every_thread_runs_torch_single_threaded_with_its_own_workspace(lanes: PromptThreads) -> None:
    together = threading.Barrier(lanes.count)

    def look(scratch: Workspace, _: int) -> tuple[int, int]:
        together.wait(timeout=60)
        torch.ones(2**20).add_(1)  # large enough that torch would divide it among threads
        return torch.get_num_threads(), id(scratch)

    seen = lanes.map(look, range(lanes.count))
    assert [threads for threads, _ in seen] == [1] * 3
    assert len({workspace for _, workspace in seen}) == 3
    assert torch.get_num_threads() == 3


def test_other_threads_keep_the_thread_count_of_torch(lanes: PromptThreads) -> None:
    seen: list[int] = []
    other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert seen == [lanes.count] == [3]


def test_inference_mode_follows_the_caller(lanes: PromptThreads) -> None:
    def modes() -> set[bool]:
        return set(lanes.map(lambda _, __: torch.is_inference_mode_enabled(), range(8)))

    assert modes() == {False}
    with torch.inference_mode():
        assert modes() == {True}


def test_an_exception_is_raised_after_all_work_has_ended(lanes: PromptThreads) -> None:
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
def test_shares_are_nearly_equal_and_never_empty(lanes: PromptThreads, count: int, expected: list[int]) -> None:
    shares = lanes.shares(count)
    assert [share.stop - share.start for share in shares] == expected
    assert [row for share in shares for row in range(share.start, share.stop)] == list(range(count))


def test_released_memory_is_allocated_again(lanes: PromptThreads) -> None:
    lanes.map(lambda scratch, _: scratch.take("x", 5).fill_(1), range(6))
    lanes.release_memory()
    assert lanes.map(lambda scratch, _: scratch.size_bytes, range(3)) == [0, 0, 0]
