"""Threads that work side by side, each alone on its own prompts.

What the decoder makes of one prompt fits the caches of one core, and torch's own threads, which share out every single
step of it, gain next to nothing there (measured: two cores as fast as one). One thread to a prompt uses them all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import TypeVar

import torch

from samfleet_models.decoder.workspace import Workspace

Item = TypeVar("Item")
Result = TypeVar("Result")


class PromptThreads:
    """As many threads as torch has on a CPU, each with a workspace; on other devices the caller's thread alone."""

    def __init__(self, device: torch.device) -> None:
        self.count = torch.get_num_threads() if device.type == "cpu" else 1
        self._own = Workspace(device)
        self._workspaces = [self._own] + [Workspace(device) for _ in range(self.count)]
        self._pool = self._started(self._workspaces[1:]) if self.count > 1 else None

    def map(self, work: Callable[[Workspace, Item], Result], items: Sequence[Item]) -> list[Result]:
        """`work` on every item, in their order; the first of its exceptions once no item is at work any more."""
        if self._pool is None or len(items) == 1:
            return [work(self._own, item) for item in items]
        inference = torch.is_inference_mode_enabled()

        def in_lane(item: Item) -> Result:
            with torch.inference_mode(inference):
                return work(self._lane.workspace, item)

        jobs = [self._pool.submit(in_lane, item) for item in items]
        wait(jobs)
        return [job.result() for job in jobs]

    def shares(self, count: int) -> list[slice]:
        """0 … `count` in as many parts of nearly one size as there are lanes; none is empty."""
        ends = [count * lane // self.count for lane in range(self.count + 1)]
        return [slice(start, stop) for start, stop in pairwise(ends) if stop > start]

    def release_memory(self) -> None:
        for workspace in self._workspaces:
            workspace.release()

    def _started(self, workspaces: list[Workspace]) -> ThreadPoolExecutor:
        """All threads at once: torch takes the number of threads of the last one that set it for every new thread."""
        self._lane = threading.local()
        begun = threading.Barrier(len(workspaces) + 1)
        waiting = iter(workspaces)

        def begin() -> None:
            torch.set_num_threads(1)  # of this thread,
            torch.get_num_threads()  # which takes the number set last, and that only when first asked
            self._lane.workspace = next(waiting)
            begun.wait()

        pool = ThreadPoolExecutor(len(workspaces), thread_name_prefix="lane", initializer=begin)
        for _ in workspaces:
            pool.submit(int)
        begun.wait()
        torch.set_num_threads(self.count)
        return pool
