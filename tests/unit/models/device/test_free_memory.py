from __future__ import annotations

from pathlib import Path

import pytest
import torch

from samfleet_models.device.memory import (
    COPIES_OF_WEIGHTS,
    WORKING_BYTES,
    DeviceMemoryShort,
    check_free_memory,
    free_host_bytes,
    total_host_bytes,
)

CPU = torch.device("cpu")


@pytest.fixture
def memory_info(tmp_path: Path) -> Path:
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:       8000000 kB\nMemFree:         100000 kB\nMemAvailable:   4000000 kB\n")
    return path


def test_a_host_without_a_limit_has_its_available_memory(memory_info: Path, tmp_path: Path) -> None:
    assert free_host_bytes(memory_info, tmp_path) == 4_096_000_000
    assert total_host_bytes(memory_info, tmp_path) == 8_192_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_host_bytes(memory_info, tmp_path) == 4_096_000_000


def test_a_container_has_its_remaining_limit_plus_reclaimable_file_pages(memory_info: Path, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("2000000000\n")
    (tmp_path / "memory.current").write_text("1500000000\n")
    (tmp_path / "memory.stat").write_text("anon 1000000000\ninactive_file 400000000\n")
    assert free_host_bytes(memory_info, tmp_path) == 900_000_000
    assert total_host_bytes(memory_info, tmp_path) == 2_000_000_000


def test_this_machine_reports_its_free_memory() -> None:
    assert free_host_bytes() > 0


@pytest.mark.parametrize(("gpu_free", "host_free", "refused"), [(8, 8, None), (1, 8, "cuda"), (8, 1, "cpu")])
def test_a_variant_needs_memory_on_the_gpu_and_the_host(
    gpu_free: int, host_free: int, refused: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variant of 100 MiB needs 1.7 GB of the GPU and 1.1 GB of the host."""
    monkeypatch.setattr("samfleet_models.device.memory.free_gpu_bytes", lambda _: gpu_free * 2**30)
    monkeypatch.setattr("samfleet_models.device.memory.free_host_bytes", lambda: host_free * 2**30)
    if refused is None:
        check_free_memory(100 * 2**20, torch.device("cuda", 0))
        return
    with pytest.raises(DeviceMemoryShort, match=f"{refused} has 1024 MiB free"):
        check_free_memory(100 * 2**20, torch.device("cuda", 0))


def test_a_variant_that_does_not_fit_is_refused_with_the_figures() -> None:
    check_free_memory(0, CPU, -WORKING_BYTES)
    with pytest.raises(DeviceMemoryShort, match=r"cpu has \d+ MiB free and this variant needs \d+ MiB") as raised:
        check_free_memory(2**50 // COPIES_OF_WEIGHTS, CPU)
    assert raised.value.code == "device_memory_short"
