"""Requests straight to Triton, with nothing around them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Semaphore
from typing import Any

from samfleet.wire.messages import SegmentRequest
from samfleet_worker.triton.client import connect
from samfleet_worker.triton.inputs import tensors_of

REPLY_SECONDS = 60


def images_per_second(
    address: str, variant: str, images: Sequence[Callable[[], SegmentRequest]], at_a_time: int, together: int = 1
) -> float:
    """Send each image once, `together` in a request and `at_a_time` requests at Triton, and return the rate.

    Replies are not unpacked.
    """
    client, free = connect(address, None), Semaphore(at_a_time)
    errors: list[Any] = []

    def done(result: Any, error: Any) -> None:  # the client passes both by name
        del result
        if error is not None:
            errors.append(error)
        free.release()

    started = time.perf_counter()
    for begin in range(0, len(images), together):
        inputs = tensors_of([image() for image in images[begin : begin + together]])
        _wait(free)
        client.async_infer(variant, inputs, done)
    for _ in range(at_a_time):
        _wait(free)
    seconds = time.perf_counter() - started
    client.close()
    if errors:
        raise errors[0]
    return len(images) / seconds


def _wait(free: Semaphore) -> None:
    if not free.acquire(timeout=REPLY_SECONDS):
        raise TimeoutError(f"Triton sent no reply for {REPLY_SECONDS} s")
