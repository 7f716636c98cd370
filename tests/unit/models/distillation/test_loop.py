"""A training that is killed and resumed equals one that is not, bit for bit on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from fixtures.models.tiny_distillation import PLAN, tiny_images, tiny_student
from samfleet.masks.rle import encode_mask
from samfleet.variants.task import Prompt
from samfleet_models.distillation.answers import Answer
from samfleet_models.distillation.checkpoint import EpochResult, TrainingState
from samfleet_models.distillation.evaluation import evaluate
from samfleet_models.distillation.images import Split, TrainingImage, find_images, split_images
from samfleet_models.distillation.loop import DistillDiverged, Surroundings, Trainer
from samfleet_models.distillation.mask_objective import MaskObjective
from samfleet_models.distillation.objective import Sample
from samfleet_models.distillation.plan import Plan
from samfleet_models.distillation.teacher import Teacher


class Killed(Exception):
    """Stands for SIGKILL: nothing of the trainer runs after it."""


class RectangleTeacher:
    """Knows the bright rectangle of each tiny image."""

    def answers(self, image: TrainingImage, grid: int, seed: int) -> Sequence[Answer]:
        del grid, seed
        bright = image.pixels()[:, :, 0] >= 140
        rows, columns = np.nonzero(bright)
        box = (float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max()))
        point = Prompt(points=((float(columns.mean()), float(rows.mean())),), labels=(1,), multimask=True)
        counts = encode_mask(bright)
        return [Answer(prompt, counts, (bright.shape[0], bright.shape[1])) for prompt in (Prompt(box=box), point)]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    return split_images(find_images(tiny_images(tmp_path_factory.mktemp("images"))), PLAN.validation)


def trainer(split: Split, folder: Path, plan: Plan, kill_at: int | None = None) -> tuple[Trainer, MaskObjective]:
    torch.manual_seed(plan.seed)
    teacher = cast("Teacher", RectangleTeacher())
    objective = MaskObjective(tiny_student("squeezesam"), teacher, plan, torch.device("cpu"))
    steps = 0

    def progress(*_: int) -> None:
        nonlocal steps
        steps += 1
        if steps == kill_at:
            raise Killed

    asked = [(image, teacher.answers(image, plan.grid, plan.seed)) for image in split.validation]
    around = Surroundings(
        folder / "checkpoint.pt", "these", lambda: evaluate(objective.network, asked), progress=progress
    )
    return Trainer(objective, split, plan, around), objective


def run(split: Split, folder: Path, plan: Plan, kill_at: int | None = None) -> tuple[TrainingState, MaskObjective]:
    made, objective = trainer(split, folder, plan, kill_at)
    return made.run(), objective


def assert_same_bits(found: tuple[TrainingState, MaskObjective], wanted: tuple[TrainingState, MaskObjective]) -> None:
    assert found[0].history == wanted[0].history
    for own, other in ((found[1].state(), wanted[1].state()), (found[0].best, wanted[0].best)):
        assert own.keys() == other.keys()
        assert all(torch.equal(own[key], other[key]) for key in own)


def test_training_lowers_the_loss_and_finds_the_objects(split: Split, tmp_path: Path) -> None:
    state, _ = run(split, tmp_path, replace(PLAN, epochs=10, batch_size=4, samples_per_image=3, learning_rate=1e-2))
    first, best = state.history[0], state.best_result
    assert best is not None
    assert best.validation_loss < 0.5 * first.validation_loss
    assert (best.box_miou or 0) > 0.7
    assert (best.point_miou or 0) > 0.7


# 4 images with 2 samples each in batches of 2 are 4 steps an epoch.
@pytest.mark.parametrize("kill_at", [1, 6])
def test_a_killed_training_resumes_to_the_same_curve(split: Split, tmp_path: Path, kill_at: int) -> None:
    plan = replace(PLAN, epochs=2)
    whole = run(split, tmp_path / "whole", plan)
    with pytest.raises(Killed):
        run(split, tmp_path / "killed", plan, kill_at)
    assert_same_bits(run(split, tmp_path / "killed", plan), whole)


def test_a_checkpoint_inside_an_epoch_resumes_to_the_same_curve(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(split, tmp_path / "whole", PLAN)
    monkeypatch.setattr("samfleet_models.distillation.loop.SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    with pytest.raises(Killed):
        run(split, tmp_path / "killed", PLAN, 7)
    resumed = trainer(split, tmp_path / "killed", PLAN)
    assert resumed[0]._state.step == 2
    assert_same_bits((resumed[0].run(), resumed[1]), whole)


def test_a_stopped_training_reports_its_weights_and_goes_on_later(split: Split, tmp_path: Path) -> None:
    whole = run(split, tmp_path / "whole", PLAN)
    stopped, objective = trainer(split, tmp_path / "stopped", PLAN)
    answers = iter([False] * 5 + [True])
    stopped._around = replace(stopped._around, stop=lambda: next(answers))
    state = stopped.run()
    assert [result.whole for result in state.history] == [True, False]
    assert state.best.keys() == objective.state().keys()
    assert_same_bits(run(split, tmp_path / "stopped", PLAN), whole)


def test_a_training_that_is_stopped_between_epochs_has_no_further_result(split: Split, tmp_path: Path) -> None:
    run(split, tmp_path, replace(PLAN, epochs=2))
    path = tmp_path / "checkpoint.pt"
    content = torch.load(path, weights_only=True)
    content |= {"epoch": 1, "history": content["history"][:1]}
    torch.save(content, path)
    stopped, _ = trainer(split, tmp_path, replace(PLAN, epochs=2))
    stopped._around = replace(stopped._around, stop=lambda: True)
    assert [result.epoch for result in stopped.run().history] == [0]


def test_a_finished_training_takes_no_further_step(split: Split, tmp_path: Path) -> None:
    whole = run(split, tmp_path, PLAN)
    assert_same_bits(run(split, tmp_path, PLAN, kill_at=1), whole)


def test_patience_ends_the_training(split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([3.0, 2.0, 2.5, 2.5, 1.0])
    monkeypatch.setattr(Trainer, "_validation_loss", lambda _: next(losses))
    state, _ = run(split, tmp_path, replace(PLAN, epochs=9, patience=2))
    assert [result.validation_loss for result in state.history] == [3.0, 2.0, 2.5, 2.5]
    assert state.best_result == state.history[1]


def test_a_loss_that_is_no_number_ends_the_training(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: MaskObjective, __: Sequence[Sample]) -> torch.Tensor:
        return torch.tensor(torch.nan, requires_grad=True)

    monkeypatch.setattr(MaskObjective, "loss", broken)
    with pytest.raises(DistillDiverged, match="lower --lr"):
        run(split, tmp_path, PLAN)


def test_the_last_single_sample_joins_the_batch_before_it(split: Split, tmp_path: Path) -> None:
    made, _ = trainer(split, tmp_path, replace(PLAN, batch_size=7))
    assert [len(batch) for batch in made._batches(0)] == [8]
    orders = [[(s.image.name, s.number) for batch in made._batches(epoch) for s in batch] for epoch in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_the_best_result_has_the_lowest_validation_loss() -> None:
    results = [EpochResult(epoch, 1.0, loss, None, None) for epoch, loss in enumerate((2.0, 1.0, 1.0))]
    state = TrainingState(history=results)
    assert state.best_result == results[1]
    assert state.epochs_without_gain == 1
