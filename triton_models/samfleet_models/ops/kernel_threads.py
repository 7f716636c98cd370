"""Runs the encoders' compiled kernels on as many threads as torch has.

The threads take items from one counter, so one that starts late or is interrupted delays the others by an item at most.
"""

from __future__ import annotations

import ctypes
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import Tensor

from samfleet_kernels.encoder_structures import EncoderStructure
from samfleet_kernels.library import Kernels, count

_own = threading.local()  # the memory of each thread, kept between calls


def run(kernels: Kernels, arrays: EncoderStructure) -> None:
    """Run the kernel of `arrays` and set its counter. Several threads may call at once."""
    count(arrays.operations())
    taken = ctypes.c_int64(0)
    arrays.next = ctypes.addressof(taken)
    floats = kernels.floats(arrays)

    def work() -> None:
        kernels.call(arrays, _memory(floats))

    others = torch.get_num_threads() - 1
    jobs = [_pool(os.getpid(), others).submit(work) for _ in range(others)]
    work()
    for job in jobs:
        job.result()


def bands(items: int, lines: int) -> int:
    """Return into how many bands to divide `lines`, if there are `items` for each: enough for all threads to end about
    together. A single thread gets one band, because bands compute the lines at their borders twice.
    """
    threads = torch.get_num_threads()
    wanted = 1 if threads == 1 else -(-ITEMS_PER_THREAD * threads // items)
    return max(1, min(wanted, lines // LINES_PER_BAND))


ITEMS_PER_THREAD, LINES_PER_BAND = 8, 8


def address(x: Tensor, dtype: torch.dtype = torch.float32) -> int:
    """Return the address of a tensor that the kernels can read. A wrong layout is a defect of this package."""
    if not x.is_contiguous() or x.dtype != dtype or x.device.type != "cpu":
        raise TypeError(f"the kernels take contiguous {dtype} on the CPU, not {x.dtype} with strides {x.stride()}")
    return x.data_ptr()


def _memory(floats: int) -> int:
    memory: Tensor | None = getattr(_own, "memory", None)
    if memory is None or len(memory) < floats:
        _own.memory = memory = torch.empty(floats)
    return memory.data_ptr()


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Return the threads besides the caller's. A process that was forked has none of its parent's."""
    del process
    return ThreadPoolExecutor(threads, thread_name_prefix="encoder")
