from __future__ import annotations

from pathlib import Path

import torch

from samfleet.masks.device_state import DeviceState
from samfleet_models.meters.host import HostMeter
from samfleet_models.meters.meter import MemoryMeter
from samfleet_models.meters.opening import open_meter
from samfleet_models.meters.watch import FRESH_SECONDS, DeviceWatch


def test_a_cpu_tells_the_memory_of_its_machine_and_no_energy() -> None:
    meter = open_meter(torch.device("cpu"))
    state = meter.state()
    assert state.id == "cpu"
    assert state.memory_used_bytes is not None
    assert state.memory_total_bytes is not None
    assert 0 < state.memory_used_bytes < state.memory_total_bytes
    assert (state.utilization, state.power_watts, meter.joules()) == (None, None, None)
    meter.close()


def test_a_host_without_proc_says_nothing(tmp_path: Path) -> None:
    assert HostMeter(tmp_path / "meminfo").state() == DeviceState("cpu")


def test_a_device_is_asked_once_a_second_whatever_comes() -> None:
    seconds = [0.0]
    meter = MemoryMeter(DeviceState("GPU-1", 1, 2))
    watch = DeviceWatch(meter, clock=lambda: seconds[0])
    assert [watch.state() for _ in range(100)] == [meter.shown] * 100
    assert meter.asked == 1
    meter.shown = DeviceState("GPU-1", 2, 2)
    seconds[0] = FRESH_SECONDS
    assert watch.state().memory_used_bytes == 2
    assert meter.asked == 2
