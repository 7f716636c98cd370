"""Memory that a process takes of a GPU and gives back, with simulated figures of torch."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from samfleet_models.device.gpu_memory import (
    GpuMemoryShareInvalid,
    free_gpu_bytes,
    give_back_unused,
    limit_memory,
    parse_share,
    unused_in_pool,
)
from samfleet_models.device.memory import FREE_SHARE, DeviceMemoryShort, check_free_memory, memory_for_chunks

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
GIB = 2**30
Figures = Callable[..., None]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Figures:
    """Set the figures that torch reports for a GPU of 80 GiB."""

    def say(*, free: float, reserved: float, allocated: float, share: float = 1.0) -> None:
        monkeypatch.setattr("torch.cuda.memory_reserved", lambda _: int(reserved * GIB))
        monkeypatch.setattr("torch.cuda.memory_allocated", lambda _: int(allocated * GIB))
        monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (int(free * GIB), 80 * GIB))
        monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: SimpleNamespace(total_memory=80 * GIB))
        monkeypatch.setattr("torch.cuda.get_per_process_memory_fraction", lambda _: share)

    return say


@pytest.mark.parametrize(
    ("unused", "free", "in_graphs", "given_back"), [(4, 10, 0, 1), (4, 40, 0, 0), (1, 10, 0, 0), (4, 10, 3, 0)]
)
def test_unused_memory_is_returned_to_a_crowded_gpu(
    figures: Figures, unused: int, free: int, in_graphs: int, given_back: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied: list[int] = []
    figures(free=free, reserved=unused + 2, allocated=2)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: emptied.append(1))
    give_back_unused(GPU, in_graphs * GIB)
    give_back_unused(CPU)
    assert len(emptied) == given_back


@pytest.mark.parametrize(
    ("free", "share", "left"),
    [(60, 1.0, 60), (60, 0.25, 12), (4, 0.25, 4), (60, 0.05, 0)],
)
def test_a_process_is_limited_by_its_share_and_by_free_memory(
    figures: Figures, free: int, share: float, left: int
) -> None:
    figures(free=free, reserved=8, allocated=6, share=share)
    assert free_gpu_bytes(GPU) == left * GIB
    assert memory_for_chunks(GPU) == int((left + 2) * GIB * FREE_SHARE)


def test_memory_of_graphs_is_not_available_to_chunks(figures: Figures) -> None:
    figures(free=10, reserved=8, allocated=6)
    assert memory_for_chunks(GPU, in_graphs=GIB) == int(11 * GIB * FREE_SHARE)


def test_a_variant_must_fit_into_the_share(figures: Figures) -> None:
    figures(free=60, reserved=0, allocated=0, share=0.01)
    with pytest.raises(DeviceMemoryShort, match="raise SAMFLEET_GPU_MEMORY_SHARE"):
        check_free_memory(10 * 2**20, GPU)


def test_only_the_memory_pool_of_the_graphs_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    segments = [
        {"segment_pool_id": (0, 7), "total_size": 100, "allocated_size": 30},
        {"segment_pool_id": (0, 7), "total_size": 50, "allocated_size": 50},
        {"segment_pool_id": (0, 0), "total_size": 999, "allocated_size": 1},
    ]
    monkeypatch.setattr("torch.cuda.memory_snapshot", lambda **_: segments)
    assert unused_in_pool((0, 7)) == 70


@pytest.mark.parametrize(("text", "share"), [("", 1.0), ("1", 1.0), ("0.25", 0.25)])
def test_a_share_is_parsed_as_a_number(text: str, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, torch.device]] = []
    monkeypatch.setattr("torch.cuda.set_per_process_memory_fraction", lambda *arguments: asked.append(arguments))
    limit_memory(GPU, parse_share(text))
    limit_memory(CPU, parse_share(text))
    assert asked == [(share, GPU)]


@pytest.mark.parametrize("text", ["0", "-1", "1.01", "nan", "half", "50%"])
def test_invalid_shares_are_refused(text: str) -> None:
    with pytest.raises(GpuMemoryShareInvalid, match="above 0 and up to 1") as caught:
        parse_share(text)
    assert caught.value.code == "gpu_memory_share_invalid"
