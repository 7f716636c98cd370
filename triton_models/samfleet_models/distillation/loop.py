"""The training loop. A run that was killed and resumed takes the steps of an uninterrupted one, on a CPU bit for bit.

Each epoch's order and each sample's changes come from the seed, the epoch and the sample alone. So a checkpoint needs
only the position in the epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from samfleet.errors import SamfleetError
from samfleet_models.distillation.checkpoint import EpochResult, TrainingState, load_checkpoint, save_checkpoint
from samfleet_models.distillation.evaluation import Kind
from samfleet_models.distillation.images import Split, TrainingImage
from samfleet_models.distillation.objective import Objective, Sample
from samfleet_models.distillation.plan import Plan

WEIGHT_DECAY = 5e-4
WARM_UP_SHARE = 0.03  # of all steps: the learning rate rises linearly, then falls as a cosine
SECONDS_BETWEEN_CHECKPOINTS = 120.0

Evaluate = Callable[[], dict[Kind, float]]


class DistillDiverged(SamfleetError):
    """The loss is not a finite number any more; start again with a lower --lr."""

    code = "distill_diverged"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Parts of a run that do not change its result.

    `stop` is asked between two steps, `report` is told each epoch's result and `progress` each step.
    """

    checkpoint: Path
    fingerprint: str
    evaluate: Evaluate
    stop: Callable[[], bool] = lambda: False
    report: Callable[[EpochResult], None] = lambda _: None
    progress: Callable[[int, int, int], None] = lambda *_: None


class Trainer:
    """Trains an objective by a plan, from its checkpoint if there is one."""

    def __init__(self, objective: Objective, split: Split, plan: Plan, around: Surroundings) -> None:
        self._objective, self._split, self._plan, self._around = objective, split, plan, around
        parameters = objective.trained.parameters()
        self._optimizer = torch.optim.AdamW(parameters, plan.learning_rate, weight_decay=WEIGHT_DECAY)
        self._state = TrainingState()
        if around.checkpoint.exists():
            self._state = load_checkpoint(around.checkpoint, around.fingerprint, objective.trained, self._optimizer)

    def run(self) -> TrainingState:
        """Train to the end, or until `stop`. The returned state ends with the weights' own result in either case."""
        plan, state = self._plan, self._state
        while state.epoch < plan.epochs and not self._exhausted():
            if not self._train_epoch():
                return self._cut_short()
            state.history.append(self._result(whole=True))
            self._keep_best(state)
            state.epoch, state.step, state.loss_sum = state.epoch + 1, 0, 0.0
            self._save()
            self._around.report(state.history[-1])
        return state

    def _exhausted(self) -> bool:
        patience = self._plan.patience
        return patience is not None and self._state.epochs_without_gain >= patience

    def _train_epoch(self) -> bool:
        """Take the rest of the epoch's steps. Return False if it was stopped."""
        state, batches = self._state, list(self._batches(self._state.epoch))
        self._objective.trained.train()
        saved = time.monotonic()
        while state.step < len(batches):
            if self._around.stop():
                self._save()
                return False
            self._set_rate(state.epoch * len(batches) + state.step, self._plan.epochs * len(batches))
            state.loss_sum += self._take_step(batches[state.step])
            state.step += 1
            self._around.progress(state.epoch, state.step, len(batches))
            if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                self._save()
                saved = time.monotonic()
        return True

    def _take_step(self, samples: Sequence[Sample]) -> float:
        with self._precision():
            loss = self._objective.loss(samples)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DistillDiverged
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
        self._optimizer.step()
        return value

    def _precision(self) -> AbstractContextManager[object]:
        return torch.autocast("cuda", torch.bfloat16) if self._plan.amp else nullcontext()

    def _set_rate(self, step: int, steps: int) -> None:
        warm_up = max(1, int(WARM_UP_SHARE * steps))
        rising = (step + 1) / warm_up
        falling = 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in self._optimizer.param_groups:
            group["lr"] = self._plan.learning_rate * min(rising, falling)

    def _batches(self, epoch: int) -> Iterator[list[Sample]]:
        """Yield the batches of an epoch.

        A last single sample joins the batch before it, because batch normalisation needs two.
        """
        plan, count = self._plan, self._objective.samples_per_image
        pairs = [(index, number) for index in range(len(self._split.training)) for number in range(count)]
        order = np.random.default_rng((plan.seed, epoch)).permutation(len(pairs))
        samples = [
            Sample(self._split.training[index], number, (plan.seed, epoch, index, number))
            for index, number in (pairs[place] for place in order)
        ]
        starts = list(range(0, len(samples), plan.batch_size))
        if len(starts) > 1 and len(samples) - starts[-1] == 1:
            starts.pop()
        for start, end in zip(starts, [*starts[1:], len(samples)], strict=True):
            yield samples[start:end]

    def _result(self, *, whole: bool) -> EpochResult:
        """Measure the present weights."""
        state, trained = self._state, self._objective.trained
        trained.eval()
        self._objective.network.to(self._objective.network.device)  # drops the running form of earlier weights
        validation = self._validation_loss()
        mious = self._around.evaluate()
        return EpochResult(
            epoch=state.epoch,
            training_loss=state.loss_sum / max(1, state.step),
            validation_loss=validation,
            box_miou=mious.get("box"),
            point_miou=mious.get("point"),
            whole=whole,
        )

    @torch.no_grad()
    def _validation_loss(self) -> float:
        """Return the mean loss over the validation images' samples, without random changes."""
        samples = [sample for image in self._split.validation for sample in self._plain_samples(image)]
        size, total = self._plan.batch_size, 0.0
        for start in range(0, len(samples), size):
            part = samples[start : start + size]
            total += float(self._objective.loss(part)) * len(part)
        return total / len(samples)

    def _plain_samples(self, image: TrainingImage) -> Iterator[Sample]:
        for number in range(self._objective.samples_per_image):
            yield Sample(image, number, None)

    def _keep_best(self, state: TrainingState) -> None:
        if state.best_result is state.history[-1]:
            found = self._objective.state()
            state.best = {key: value.detach().to("cpu", copy=True) for key, value in found.items()}

    def _cut_short(self) -> TrainingState:
        """Return the state with the result of an unfinished epoch, which the checkpoint does not have."""
        if self._state.step == 0 and self._state.history:
            return self._state
        ended = replace(self._state, history=[*self._state.history, self._result(whole=False)])
        self._keep_best(ended)
        self._around.report(ended.history[-1])
        return ended

    def _save(self) -> None:
        around = self._around
        save_checkpoint(around.checkpoint, around.fingerprint, self._state, self._objective.trained, self._optimizer)
