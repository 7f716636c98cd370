from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fixtures.models.devices import device
from samfleet_models.device.memory import (
    GPU_ALLOCATION_FAILURES,
    USUAL_CACHE_BYTES,
    NotEnoughMemory,
    attempt,
    largest_cache_bytes,
    leaves_device_unusable,
    memory_for_chunks,
)

__all__ = ["device"]


def raise_error(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def more_than_any_machine_has() -> torch.Tensor:
    return torch.empty(2**50)


def test_the_result_is_returned_if_the_memory_suffices() -> None:
    assert attempt(lambda: 3) == 3


def test_out_of_memory_is_returned_as_a_value() -> None:
    said = attempt(more_than_any_machine_has)  # torch's CPU allocator raises a plain RuntimeError
    assert isinstance(said, NotEnoughMemory)
    assert "can't allocate memory" in said.message
    assert attempt(raise_error(torch.OutOfMemoryError("of the GPU"))) == NotEnoughMemory("of the GPU")
    assert attempt(raise_error(MemoryError("of the host"))) == NotEnoughMemory("of the host")


def test_a_device_has_memory_for_chunks_and_reports_out_of_memory(device: torch.device) -> None:
    assert memory_for_chunks(device) >= 2**20
    assert isinstance(attempt(lambda: torch.empty(2**50, device=device)), NotEnoughMemory)


@pytest.mark.parametrize("said", GPU_ALLOCATION_FAILURES)
def test_out_of_memory_in_a_cuda_library_is_returned_as_a_value(said: str) -> None:
    assert attempt(raise_error(RuntimeError(f"{said} when calling a function"))) == NotEnoughMemory(
        f"{said} when calling a function"
    )
    lack = torch.AcceleratorError(f"{said} when calling a function", 2)
    assert isinstance(attempt(raise_error(lack)), NotEnoughMemory)
    assert not leaves_device_unusable(lack)


def test_out_of_memory_during_a_graph_capture_is_returned_as_a_value() -> None:
    def capture() -> None:
        try:
            raise torch.OutOfMemoryError("of the GPU")
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    assert isinstance(attempt(capture), NotEnoughMemory)


def test_an_illegal_access_leaves_the_device_unusable() -> None:
    error = torch.AcceleratorError("CUDA error: an illegal memory access was encountered", 700)
    assert leaves_device_unusable(error)
    with pytest.raises(torch.AcceleratorError):
        attempt(raise_error(error))
    assert not leaves_device_unusable(RuntimeError("a size does not match"))


@pytest.mark.parametrize("error", [RuntimeError("a size does not match"), ValueError("can't allocate memory")])
def test_other_errors_are_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        attempt(raise_error(error))


def test_the_largest_cache_limits_the_chunks_on_a_cpu(tmp_path: Path) -> None:
    assert largest_cache_bytes(tmp_path) == USUAL_CACHE_BYTES
    for index, size in enumerate(("48K\n", "1024K\n", "32M\n")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(size)
    assert largest_cache_bytes(tmp_path) == 32 * 2**20
    assert memory_for_chunks(torch.device("cpu")) == largest_cache_bytes()
