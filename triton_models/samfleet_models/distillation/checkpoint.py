"""The state of a training on disk, written in one step, so that a kill at any moment leaves the last whole one."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from samfleet.errors import Conflict, SamfleetError
from samfleet_models.distillation.cache import write_whole

VERSION = 1


class DistillCheckpointDiffers(Conflict):
    """The output folder has a checkpoint of other settings, images or weights; use its settings or another folder."""

    code = "distill_checkpoint_differs"


class DistillCheckpointUnreadable(SamfleetError):
    """The checkpoint cannot be read; remove it to start again."""

    code = "distill_checkpoint_unreadable"


@dataclass(frozen=True, slots=True)
class EpochResult:
    """The outcome of an epoch: mean losses, and mean IoU with the teacher's masks for box and point prompts.

    `whole` is False for an epoch that --max-minutes cut short.
    """

    epoch: int
    training_loss: float
    validation_loss: float
    box_miou: float | None
    point_miou: float | None
    whole: bool = True


@dataclass(slots=True)
class TrainingState:
    """The position in the training, and the best weights so far by validation loss.

    `loss_sum` is the sum over the first `step` batches of epoch `epoch`.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    history: list[EpochResult] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_result(self) -> EpochResult | None:
        return min(self.history, key=lambda result: result.validation_loss, default=None)

    @property
    def epochs_without_gain(self) -> int:
        best = self.best_result
        return 0 if best is None else self.history[-1].epoch - best.epoch


def save_checkpoint(
    path: Path,
    fingerprint: str,
    state: TrainingState,
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the state with the parameters, the optimizer and torch's random state."""
    content = {
        "version": VERSION,
        "fingerprint": fingerprint,
        "epoch": state.epoch,
        "step": state.step,
        "loss_sum": state.loss_sum,
        "history": [asdict(result) for result in state.history],
        "best": state.best,
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_whole(path, buffer.getvalue())


def load_checkpoint(
    path: Path, fingerprint: str, module: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> TrainingState:
    """Return the state in a checkpoint and load the parameters, the optimizer and torch's random state."""
    content = _read(path)
    if content.get("version") != VERSION or content.get("fingerprint") != fingerprint:
        raise DistillCheckpointDiffers(f"{path}: {DistillCheckpointDiffers.__doc__}")
    module.load_state_dict(content["module"])
    optimizer.load_state_dict(content["optimizer"])
    torch.set_rng_state(content["random"])
    return TrainingState(
        epoch=content["epoch"],
        step=content["step"],
        loss_sum=content["loss_sum"],
        history=[EpochResult(**values) for values in content["history"]],
        best=content["best"],
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a damaged file can raise nearly any exception
        reason = str(error).partition("\n")[0]
        raise DistillCheckpointUnreadable(f"{path}: {reason}; remove the file to start again") from error
    if not isinstance(content, dict):
        raise DistillCheckpointUnreadable(f"{path} is no checkpoint of a distillation; remove it to start again")
    return content
