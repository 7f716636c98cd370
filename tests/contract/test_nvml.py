"""Equal behaviour of NVML's double and of the real `pynvml` over a fake library; and pynvml without a driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pynvml
import pytest

from fixtures.models.fake_nvml import install
from samfleet.wire.device_state import DeviceState
from samfleet_models.device.meters.cuda import CudaMeter
from samfleet_models.device.meters.nvml import MemoryGpu, MemoryNvml, Nvml, NvmlMeter, meter_of_gpu
from samfleet_models.device.meters.pynvml_library import PynvmlLibrary

A, B, PART = "5fd4f087", "0a1b2c3d", "77777777"
FULL = MemoryGpu(f"GPU-{A}", (3 * 2**30, 24 * 2**30), 0.93, 68.4, 1234.567)
OLD = MemoryGpu(f"GPU-{B}", (1, 2), 0.0, 30.0)  # Pascal: no energy counter
DIVIDED = MemoryGpu(f"GPU-{B}", (5, 80), None, 200.0, 99.0, divided=True)
SLICE = MemoryGpu(f"MIG-{PART}", (1, 10))

Build = Callable[..., tuple[Nvml, Callable[[], int]]]


@pytest.fixture(params=["double", "pynvml"])
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Build:
    def make(*gpus: MemoryGpu) -> tuple[Nvml, Callable[[], int]]:
        if request.param == "double":
            double = MemoryNvml(gpus)
            return double, lambda: double.opened
        library = install(monkeypatch, gpus)
        return PynvmlLibrary(), lambda: int(library.opened)

    return make


def cuda(uuid: str) -> CudaMeter:
    return CudaMeter(uuid, lambda: (7, 10))


def test_a_whole_gpu_reports_all_figures(build: Build) -> None:
    nvml, opened = build(FULL)
    meter = meter_of_gpu(cuda(A), nvml)
    assert isinstance(meter, NvmlMeter)
    assert meter.state() == DeviceState(f"GPU-{A}", 3 * 2**30, 24 * 2**30, 0.93, 68.4)
    assert meter.joules() == pytest.approx(1234.567)
    assert opened() == 1
    meter.close()
    assert opened() == 0


def test_a_gpu_is_found_by_uuid_under_any_index(build: Build) -> None:
    """CUDA_VISIBLE_DEVICES=1 makes NVML's second GPU CUDA's first."""
    nvml, _ = build(FULL, OLD)
    assert meter_of_gpu(cuda(B), nvml).state() == DeviceState(f"GPU-{B}", 1, 2, 0.0, 30.0)
    assert meter_of_gpu(cuda(A), nvml).state().power_watts == 68.4


def test_unsupported_figures_of_a_gpu_are_unknown(build: Build) -> None:
    nvml, _ = build(OLD, MemoryGpu(f"GPU-{A}"))
    old, silent = meter_of_gpu(cuda(B), nvml), meter_of_gpu(cuda(A), nvml)
    assert old.joules() is None
    assert old.state().utilization == 0.0
    assert silent.state() == DeviceState(f"GPU-{A}")


@pytest.mark.parametrize(("uuid", "kind"), [(B, "GPU-"), (PART, "MIG-")])
def test_a_mig_slice_reports_no_energy_and_the_memory_that_cuda_sees(build: Build, uuid: str, kind: str) -> None:
    """CUDA may give the UUID of the slice or of the divided GPU."""
    nvml, opened = build(DIVIDED, SLICE)
    meter = meter_of_gpu(cuda(uuid), nvml)
    assert meter.state() == DeviceState(kind + uuid, memory_used_bytes=3, memory_total_bytes=10)
    assert meter.joules() is None
    meter.close()
    assert opened() == 0


def test_a_gpu_unknown_to_nvml_is_queried_through_cuda(build: Build) -> None:
    nvml, opened = build(FULL)
    assert meter_of_gpu(cuda("ffff"), nvml).state() == DeviceState("GPU-ffff", 3, 10)
    assert opened() == 0


def test_the_real_library_without_a_driver_finds_no_such_device() -> None:
    """On a machine with a driver, no GPU has this UUID either."""
    real = PynvmlLibrary()
    assert meter_of_gpu(cuda("no-such-gpu"), real).state() == DeviceState("GPU-no-such-gpu", 3, 10)
    if not real.open():
        with pytest.raises(pynvml.NVMLError_LibraryNotFound):
            pynvml.nvmlInit()


def test_the_double_without_a_driver_finds_no_such_device() -> None:
    missing = MemoryNvml([FULL], installed=False)
    meter = meter_of_gpu(cuda(A), missing)
    assert isinstance(meter, CudaMeter)
    assert missing.opened == 0


def test_a_library_that_stops_responding_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An example is a GPU that has fallen off the bus; computing on it raises the error."""
    library = install(monkeypatch, [FULL])
    nvml = PynvmlLibrary()
    meter = meter_of_gpu(cuda(A), nvml)
    assert nvml.driver() == "570.86"
    lost: Any = lambda *_: pynvml.NVML_ERROR_GPU_IS_LOST  # noqa: E731 - one answer to every function
    for name in [name for name in vars(library) if name.startswith("nvml")]:
        setattr(library, name, lost)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    assert meter.state() == DeviceState(f"GPU-{A}")
    assert meter.joules() is None
    meter.close()
