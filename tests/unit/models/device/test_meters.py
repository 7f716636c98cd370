from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from samfleet.wire.device_state import DeviceState
from samfleet_models.device.meters.cuda import CudaMeter
from samfleet_models.device.meters.energy import BatchEnergy
from samfleet_models.device.meters.factory import open_meter
from samfleet_models.device.meters.host import HostMeter
from samfleet_models.device.meters.meter import FRESH_SECONDS, DeviceWatch, MemoryMeter


def test_a_cpu_reports_the_memory_of_its_machine_and_no_energy() -> None:
    meter = open_meter(torch.device("cpu"))
    state = meter.state()
    assert state.id == "cpu"
    assert state.memory_used_bytes is not None
    assert state.memory_total_bytes is not None
    assert 0 < state.memory_used_bytes < state.memory_total_bytes
    assert (state.utilization, state.power_watts, meter.joules()) == (None, None, None)
    meter.close()


def test_a_host_without_proc_reports_nothing(tmp_path: Path) -> None:
    assert HostMeter(tmp_path / "meminfo").state() == DeviceState("cpu")


@pytest.mark.parametrize("told", ["", "MemTotal: 8 kB\n", "MemTotal: much\n", "no colon\n"])
def test_an_unreadable_host_state_does_not_fail_the_reply(tmp_path: Path, told: str) -> None:
    (tmp_path / "meminfo").write_text(told)
    assert HostMeter(tmp_path / "meminfo", tmp_path).state() == DeviceState("cpu")


def test_a_memory_limit_without_its_usage_does_not_fail_the_reply(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 8 kB\nMemAvailable: 4 kB\n")
    (tmp_path / "memory.max").write_text("4096\n")
    assert HostMeter(tmp_path / "meminfo", tmp_path).state() == DeviceState("cpu")


def test_a_gpu_without_memory_figures_does_not_fail_the_reply() -> None:
    def memory() -> tuple[int, int]:
        raise RuntimeError("CUDA error")

    assert CudaMeter("5fd4", memory).state() == DeviceState("GPU-5fd4")


def test_a_device_is_queried_at_most_once_per_second() -> None:
    seconds = [0.0]
    meter = MemoryMeter(DeviceState("GPU-1", 1, 2))
    watch = DeviceWatch(meter, clock=lambda: seconds[0])
    assert [watch.state() for _ in range(100)] == [meter.shown] * 100
    assert meter.asked == 1
    meter.shown = DeviceState("GPU-1", 2, 2)
    seconds[0] = FRESH_SECONDS
    assert watch.state().memory_used_bytes == 2
    assert meter.asked == 2


class Batch:
    """A batch of images on a device whose energy counter starts at `joules`."""

    def __init__(self, images: int = 4, joules: float | None = 1000.0) -> None:
        self.seconds = 50.0
        self.meter = MemoryMeter(used_joules=joules)
        self.energy = BatchEnergy(self.meter, images, clock=lambda: self.seconds)

    def reply(self, after_seconds: float, ms: float = 1000.0, watts: float = 100.0) -> float | None:
        self.seconds += after_seconds
        if self.meter.used_joules is not None:
            self.meter.used_joules += watts * after_seconds
        return self.energy.share(ms)


def test_images_answered_one_after_another_get_the_energy_of_their_own_time() -> None:
    batch = Batch()
    assert [batch.reply(1.0) for _ in range(4)] == pytest.approx([100.0] * 4)


def test_images_answered_together_share_the_energy_equally() -> None:
    batch = Batch()
    assert [batch.reply(4.0), *(batch.reply(0.0) for _ in range(3))] == pytest.approx([100.0] * 4)


def test_a_single_image_gets_all_the_energy() -> None:
    assert Batch(1).reply(3.0, ms=1.0) == pytest.approx(300.0)


@pytest.mark.parametrize("seed", range(5))
def test_energy_shares_add_up_to_the_energy_of_the_batch(seed: int) -> None:
    random = np.random.default_rng(seed)
    batch = Batch(8)
    shares = [
        batch.reply(float(random.exponential()), float(random.exponential(700)), float(random.uniform(50, 700)))
        for _ in range(8)
    ]
    assert batch.meter.used_joules is not None
    assert all(share is not None and share >= 0 for share in shares)
    assert sum(share or 0 for share in shares) == pytest.approx(batch.meter.used_joules - 1000)


def test_an_image_that_fails_immediately_gets_no_energy() -> None:
    batch = Batch(2)
    assert batch.reply(0.5, ms=0.0) == 0
    assert batch.reply(2.0, ms=2000) == pytest.approx(250.0)


def test_a_device_without_a_counter_reports_no_energy() -> None:
    assert Batch(joules=None).reply(1.0) is None
    batch = Batch()
    batch.meter.used_joules = None  # it stopped counting
    assert batch.reply(1.0) is None


def test_a_reset_counter_gives_no_negative_energy() -> None:
    batch = Batch(1)
    batch.meter.used_joules = 0.0
    assert batch.energy.share(1.0) == 0
