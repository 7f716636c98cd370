"""The settings of a distillation: those that determine the weights, and the bounds that do not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from samfleet.errors import InvalidInput

MOST_EPOCHS, MOST_BATCH, MOST_SAMPLES, MOST_GRID = 100_000, 4096, 1024, 64


class DistillPlanInvalid(InvalidInput):
    """A setting of the distillation is out of range."""

    code = "distill_plan_invalid"


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings that determine the weights, beside the images, the teacher and the student.

    `validation` is the share of images that are held out, by the hash of their names. `samples_per_image` prompts of
    each image are learned per epoch; a student that learns embeddings takes each image once. The teacher finds objects
    with a grid of `grid` x `grid` points. `patience` ends the training after as many epochs without a lower validation
    loss.
    """

    epochs: int = 8
    batch_size: int = 8
    learning_rate: float = 1e-3
    seed: int = 0
    validation: float = 0.2
    samples_per_image: int = 8
    grid: int = 16
    patience: int | None = None
    amp: bool = False

    def __post_init__(self) -> None:
        _check(1 <= self.epochs <= MOST_EPOCHS, "epochs", self.epochs, f"1 to {MOST_EPOCHS}")
        _check(1 <= self.batch_size <= MOST_BATCH, "batch-size", self.batch_size, f"1 to {MOST_BATCH}")
        _check(0 < self.learning_rate <= 1, "lr", self.learning_rate, "above 0, up to 1")
        _check(0 <= self.seed < 2**63, "seed", self.seed, "0 or more")
        _check(0 < self.validation < 1, "validation", self.validation, "between 0 and 1, such as 0.2")
        _check(1 <= self.samples_per_image <= MOST_SAMPLES, "samples", self.samples_per_image, f"1 to {MOST_SAMPLES}")
        _check(1 <= self.grid <= MOST_GRID, "grid", self.grid, f"1 to {MOST_GRID}")
        _check(self.patience is None or self.patience >= 1, "patience", self.patience, "1 or more, or left out")

    def fingerprint(self, others: Mapping[str, object]) -> str:
        """Return a hash of these settings and of `others`, which tells whether a checkpoint belongs to them.

        `epochs` is part of it, because the learning rate depends on it.
        """
        text = json.dumps({**asdict(self), **others}, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def _check(fits: object, name: str, value: object, wanted: str) -> None:
    if not fits:
        raise DistillPlanInvalid(f"--{name} is {value}; write a number in the range {wanted}")
