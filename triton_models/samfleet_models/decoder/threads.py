"""Threads that process prompts in parallel, each its own prompts.

The decoder's tensors for one prompt fit the caches of one core. torch's own threads, which split every single step,
gain almost nothing there (measured: two cores as fast as one). One thread per prompt uses all cores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

from samfleet_models.decoder.workspace import Workspace

Item = TypeVar("Item")
Result = TypeVar("Result")


class PromptThreads:
    """A pool of as many threads as torch has on a CPU, each with a workspace. Other devices use the caller's thread."""

    def __init__(self, device: torch.device) -> None:
        self.count = torch.get_num_threads() if device.type == "cpu" else 1
        self._own = Workspace(device)
        self._workspaces = [self._own] + [Workspace(device) for _ in range(self.count)]
        self._pool = self._started(self._workspaces[1:]) if self.count > 1 else None

    def map(self, work: Callable[[Workspace, Item], Result], items: Sequence[Item]) -> list[Result]:
        """Run `work` on every item and return the results in order.

        An exception is raised after all items have ended; if there are several, the first.
        """
        if self._pool is None or len(items) == 1:
            return [work(self._own, item) for item in items]
        inference = torch.is_inference_mode_enabled()

        def on_thread(item: Item) -> Result:
            with torch.inference_mode(inference):
                return work(self._local.workspace, item)

        jobs = [self._pool.submit(on_thread, item) for item in items]
        wait(jobs)
        return [job.result() for job in jobs]

    def shares(self, count: int) -> list[slice]:
        """Split 0 … `count` into as many nearly equal parts as there are threads; none is empty."""
        ends = [count * thread // self.count for thread in range(self.count + 1)]
        return [slice(start, stop) for start, stop in pairwise(ends) if stop > start]

    def release_memory(self) -> None:
        for workspace in self._workspaces:
            workspace.release()

    def _started(self, workspaces: list[Workspace]) -> ThreadPoolExecutor:
        """Start all threads at once.

        torch gives every new thread the number of threads that was set last.
        """
        self._local = threading.local()
        begun = threading.Barrier(len(workspaces) + 1)
        waiting = iter(workspaces)

        def begin() -> None:
            torch.set_num_threads(1)  # for this thread
            torch.get_num_threads()  # a thread adopts the number set last on its first query
            self._local.workspace = next(waiting)
            begun.wait()

        pool = ThreadPoolExecutor(len(workspaces), thread_name_prefix="lane", initializer=begin)
        for _ in workspaces:
            pool.submit(int)
        begun.wait()
        torch.set_num_threads(self.count)
        return pool


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Concatenate the results of shares. A single one is returned as it is, so it must not be part of a workspace."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
