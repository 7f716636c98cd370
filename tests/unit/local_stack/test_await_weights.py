"""Waiting for weights that another process fetches."""

from __future__ import annotations

from pathlib import Path

import pytest

from samfleet.variants.catalogue import get_record
from samfleet.variants.weights.verify import WeightsMissing, weights_path
from samfleet_cli.local_stack.await_weights import POLL_SECONDS, main, wait_for_weights

RECORD = get_record("mobile_sam")


class Clock:
    """A clock that moves with each sleep, and calls `then` after the second one."""

    def __init__(self, then: object = None) -> None:
        self.now, self.sleeps, self._then = 0.0, 0, then

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1
        if self.sleeps == 2 and callable(self._then):
            self._then()


def place_weights(folder: Path) -> None:
    """Make a sparse file of the right size: waiting compares sizes only."""
    assert RECORD.checkpoint.size_bytes
    with weights_path(folder, RECORD).open("wb") as file:
        file.truncate(RECORD.checkpoint.size_bytes)


def test_the_wait_ends_when_another_process_has_placed_the_file(tmp_path: Path) -> None:
    clock = Clock(lambda: place_weights(tmp_path))

    wait_for_weights([RECORD], tmp_path, 60, clock=clock, sleep=clock.sleep)

    assert clock.now == 2 * POLL_SECONDS


def test_a_file_of_another_size_does_not_count(tmp_path: Path) -> None:
    weights_path(tmp_path, RECORD).write_bytes(b"a beginning")
    clock = Clock()

    with pytest.raises(WeightsMissing, match=r"no weights of mobile_sam after 60 s.*samfleet variants pull mobile_sam"):
        wait_for_weights([RECORD], tmp_path, 60, clock=clock, sleep=clock.sleep)

    assert clock.now == 60


def test_the_command_succeeds_at_once_if_the_weights_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_WEIGHTS_DIR", str(tmp_path))
    place_weights(tmp_path)

    assert main(["--seconds=0", "mobile_sam"]) == 0


@pytest.mark.parametrize(("variant", "code"), [("mobile_sam", "weights_missing"), ("mobile_sma", "variant_unknown")])
def test_the_command_fails_with_a_stable_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variant: str, code: str
) -> None:
    monkeypatch.setenv("SAMFLEET_WEIGHTS_DIR", str(tmp_path))

    assert main(["--seconds=0", variant]) == 1
    assert capsys.readouterr().err.startswith(f"{code}: ")
