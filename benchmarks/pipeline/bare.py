"""Requests straight to Triton, with nothing around them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from threading import Semaphore
from typing import Any

from tritonclient.grpc import InferInput

from samfleet.variants.task import TaskParameters
from samfleet.wire.messages import INPUTS, SegmentRequest, pack_request
from samfleet_worker.triton.client import WIRE_TYPES, connect

REPLY_SECONDS = 60


def images_per_second(address: str, variant: str, files: Sequence[Path], task: TaskParameters, at_a_time: int) -> float:
    """Send each file once, with `at_a_time` requests at Triton, and return the rate. Replies are not unpacked."""
    client, free = connect(address, None), Semaphore(at_a_time)
    errors: list[Any] = []

    def done(result: Any, error: Any) -> None:  # the client passes both by name
        del result
        if error is not None:
            errors.append(error)
        free.release()

    started = time.perf_counter()
    for file in files:
        inputs = _inputs(SegmentRequest(file.read_bytes(), task))
        _wait(free)
        client.async_infer(variant, inputs, done)
    for _ in range(at_a_time):
        _wait(free)
    seconds = time.perf_counter() - started
    client.close()
    if errors:
        raise errors[0]
    return len(files) / seconds


def _wait(free: Semaphore) -> None:
    if not free.acquire(timeout=REPLY_SECONDS):
        raise TimeoutError(f"Triton sent no reply for {REPLY_SECONDS} s")


def _inputs(request: SegmentRequest) -> list[InferInput]:
    inputs = []
    for name, array in pack_request(request).items():
        tensor = InferInput(name, list(array.shape), WIRE_TYPES[INPUTS[name][0]])
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs
