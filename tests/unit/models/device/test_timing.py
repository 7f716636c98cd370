from __future__ import annotations

import pytest
import torch

from fixtures.models.stand_in_gpu import GPU, StandInGpu
from samfleet.wire.messages import StageTime
from samfleet_models.device.timing import StageClock

CPU = torch.device("cpu")


def test_entries_of_a_stage_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 1.0, 5.0, 7.0])
    monkeypatch.setattr("samfleet_models.device.timing.time.perf_counter", lambda: next(ticks))
    clock = StageClock(CPU)
    for _ in range(2):
        with clock.measure("decode"):
            pass
    assert clock.milliseconds() == {"decode": 3000.0}
    assert clock.kind == "host"


def test_shared_stages_are_divided_and_stages_of_one_image_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 8.0, 0.0, 1.0])
    monkeypatch.setattr("samfleet_models.device.timing.time.perf_counter", lambda: next(ticks))
    shared, own = StageClock(CPU), StageClock(CPU)
    with shared.measure("encode"):
        pass
    with own.measure("encode"):
        pass
    own.join(shared, 1 / 4)
    times = own.stage_times()
    assert times["encode"] == StageTime(amortised_ms=3000.0, batch_ms=9000.0)
    assert times["decode"] == StageTime(amortised_ms=0.0, batch_ms=0.0)


@pytest.mark.parametrize("device", [CPU, GPU])
def test_a_failure_records_its_stage_and_its_time(device: torch.device) -> None:
    with StandInGpu() as gpu:
        clock = StageClock(device)
        with pytest.raises(MemoryError), clock.measure("postprocess"):
            torch.ones(3).to(device) + 1
            raise MemoryError
        assert clock.stage == "postprocess"
        assert clock.milliseconds()["postprocess"] > 0
        gpu.launches += 1
        gpu.reset()
        assert clock.milliseconds()["postprocess"] > 0  # events are read once
        assert not gpu.waits
