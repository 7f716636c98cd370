from __future__ import annotations

import os
from pathlib import Path

import pytest

from samfleet_models.device.host_load import HostLoad

TICKS = os.sysconf("SC_CLK_TCK")


class Machine:
    """A machine of two cores whose times a test sets, in seconds."""

    def __init__(self, folder: Path) -> None:
        self.stat = folder / "stat"
        self.now = self.own = self.busy = self.idle = 0.0
        self.write()
        self.load = HostLoad(self.stat, lambda: self.now, lambda: self.own)

    def write(self) -> None:
        user, idle = round(self.busy * TICKS), round(self.idle * TICKS)
        self.stat.write_text(f"cpu  {user} 0 0 {idle} 0 0 0 0 77 0\ncpu0 1 2 3\n")

    def spend(self, seconds: float, *, own: float, others: float) -> None:
        """Let time pass in which this process and the others compute on so many cores."""
        self.now += seconds
        self.own += own * seconds
        self.busy += (own + others) * seconds
        self.idle += (2 - own - others) * seconds
        self.write()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_share_is_of_the_whole_machine(machine: Machine) -> None:
    assert machine.load.share() is None
    machine.spend(2, own=1, others=0.5)
    assert machine.load.share() == pytest.approx(0.25)
    machine.spend(2, own=2, others=0)
    assert machine.load.share() == 0.0


def test_short_moments_are_measured_together(machine: Machine) -> None:
    machine.spend(0.3, own=1, others=1)
    assert machine.load.share() is None
    machine.spend(0.3, own=1, others=0)
    assert machine.load.share() == pytest.approx(0.25)
    machine.spend(0.1, own=0, others=2)
    assert machine.load.share() == pytest.approx(0.25)


def test_a_pause_before_a_batch_does_not_count(machine: Machine) -> None:
    machine.spend(60, own=0, others=2)
    machine.load.begin()
    machine.spend(1, own=1, others=0)
    assert machine.load.share() == 0.0
    machine.spend(1, own=0, others=2)
    machine.load.begin()
    assert machine.load.share() == pytest.approx(1.0)


def test_counters_that_stand_still_or_run_back_give_the_last_share(machine: Machine) -> None:
    machine.spend(1, own=0, others=1)
    assert machine.load.share() == pytest.approx(0.5)
    machine.now += 1
    assert machine.load.share() == pytest.approx(0.5)


@pytest.mark.parametrize("content", [None, "", "cpu a b c", "cpu 1 2"])
def test_without_the_counters_it_is_unknown(tmp_path: Path, content: str | None) -> None:
    stat = tmp_path / "stat"
    if content is not None:
        stat.write_text(content)
    clock = iter(range(100))
    load = HostLoad(stat, lambda: float(next(clock)), lambda: 0.0)
    load.begin()
    assert load.share() is None


def test_this_machine_has_a_share() -> None:
    clock = iter(range(0, 100, 2))
    load = HostLoad(clock=lambda: float(next(clock)))
    sum(number * number for number in range(200_000))
    share = load.share()
    assert share is None or 0 <= share <= 1
