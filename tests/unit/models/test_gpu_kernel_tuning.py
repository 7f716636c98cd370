"""The choice of blocks for the GPU kernels; needs neither Triton nor a GPU."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from samfleet_models.gpu_kernels.limits import SHARED_BYTES, Blocks
from samfleet_models.gpu_kernels.tuning import Shape, Tuning, cache_folder

SLOW, FAST = Blocks(32, 8, 1), Blocks(64, 4, 1)
SHAPE: Shape = {"kernel": "third", "tokens": 7, "pixels": 4096}


class Clock:
    """A device on which `FAST` takes 2 ms and `SLOW` 5 ms; the first measurement of each is disturbed."""

    def __init__(self) -> None:
        self.ran: list[Blocks] = []
        self._measured: set[Blocks] = set()

    def run(self, blocks: Blocks) -> None:
        self.ran.append(blocks)

    def milliseconds(self, work: Callable[[], object]) -> float:
        work()
        blocks = self.ran[-1]
        disturbed = blocks not in self._measured
        self._measured.add(blocks)
        return {SLOW: 5.0, FAST: 2.0}[blocks] + (10.0 if disturbed else 0.0)


def tuning(folder: Path, clock: Clock, **machine: str) -> Tuning:
    return Tuning(folder, {"device": "H100", "triton": "3.8.0", "source": "a", **machine}, clock.milliseconds)


def test_the_fastest_is_measured_once_and_kept_for_other_processes(tmp_path: Path) -> None:
    clock = Clock()
    one = tuning(tmp_path / "made", clock)
    assert one.best(SHAPE, [SLOW, FAST], clock.run) == FAST
    assert clock.ran.count(SLOW) == clock.ran.count(FAST) == 4  # the first run compiles
    assert one.best(SHAPE, [SLOW, FAST], clock.run) == FAST
    later = Clock()
    assert tuning(tmp_path / "made", later).best(SHAPE, [SLOW, FAST], later.run) == FAST
    assert (len(clock.ran), later.ran) == (8, [])
    (file,) = (tmp_path / "made").iterdir()
    assert json.loads(file.read_text())["measured"][1]["milliseconds"] == 2.0
    assert list(one.choices().values()) == [{"tile": 64, "warps": 4, "stages": 1}]


@pytest.mark.parametrize("changed", [{"device": "A100"}, {"triton": "3.9.0"}, {"source": "b"}])
def test_another_machine_or_source_is_measured_again(changed: dict[str, str], tmp_path: Path) -> None:
    clock = Clock()
    tuning(tmp_path, clock).best(SHAPE, [SLOW, FAST], clock.run)
    again = Clock()
    tuning(tmp_path, again, **changed).best(SHAPE, [SLOW, FAST], again.run)
    assert again.ran
    assert len(list(tmp_path.iterdir())) == 2


def test_another_shape_is_measured_again(tmp_path: Path) -> None:
    clock = Clock()
    one = tuning(tmp_path, clock)
    one.best(SHAPE, [SLOW, FAST], clock.run)
    one.best({**SHAPE, "pixels": 1024}, [SLOW, FAST], clock.run)
    assert len(clock.ran) == 16


@pytest.mark.parametrize(
    "damaged", ["", "{", "[]", "null", '{"key": 1}', '{"blocks": {"tile": 64}}', '{"blocks": 3}', "\x00"]
)
def test_a_damaged_file_is_measured_again_and_replaced(damaged: str, tmp_path: Path) -> None:
    clock = Clock()
    tuning(tmp_path, clock).best(SHAPE, [SLOW, FAST], clock.run)
    (file,) = tmp_path.iterdir()
    file.write_text(damaged)
    again = Clock()
    assert tuning(tmp_path, again).best(SHAPE, [SLOW, FAST], again.run) == FAST
    assert again.ran
    assert json.loads(file.read_text())["blocks"] == {"tile": 64, "warps": 4, "stages": 1}


def test_a_choice_that_is_no_candidate_any_more_is_measured_again(tmp_path: Path) -> None:
    clock = Clock()
    tuning(tmp_path, clock).best(SHAPE, [SLOW, FAST], clock.run)
    assert tuning(tmp_path, clock).best(SHAPE, [SLOW], clock.run) == SLOW


def test_a_folder_that_cannot_be_written_costs_only_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "samfleet_models.gpu_kernels.tuning")  # other tests may have set the root's
    (tmp_path / "file").write_text("")
    clock = Clock()
    assert tuning(tmp_path / "file", clock).best(SHAPE, [SLOW, FAST], clock.run) == FAST
    assert "cannot be stored" in caplog.text


def test_choices_lie_beside_the_compiled_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path / "samfleet"


@pytest.mark.parametrize("number_bytes", [2, 4])
@pytest.mark.parametrize("tokens", [1, 7, 8, 9, 16])
def test_all_candidates_fit_an_a100_and_the_default_is_first(tokens: int, number_bytes: int) -> None:
    candidates = Blocks.candidates(tokens, number_bytes)
    assert candidates[0] == Blocks.default(tokens, number_bytes)
    assert len(candidates) == len(set(candidates)) > 1
    assert all(blocks.shared_bytes(tokens, number_bytes) <= SHARED_BYTES for blocks in candidates)
    assert all(blocks.tile >= 16 for blocks in candidates)
