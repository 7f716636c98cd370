"""A whole distillation: checks, training, evaluation, and the files of the result."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from samfleet.errors import InvalidInput
from samfleet.variants.record import VariantRecord
from samfleet_models.distillation.answers import Answer
from samfleet_models.distillation.cache import AnswerCache, check_disk, write_whole
from samfleet_models.distillation.checkpoint import EpochResult, TrainingState
from samfleet_models.distillation.evaluation import baselines, evaluate
from samfleet_models.distillation.images import Split, TrainingImage, find_images, split_images
from samfleet_models.distillation.loop import Surroundings, Trainer
from samfleet_models.distillation.objective import Objective
from samfleet_models.distillation.plan import Plan
from samfleet_models.distillation.result import write_result
from samfleet_models.distillation.student import objective_of, student_record
from samfleet_models.distillation.teacher import Teacher
from samfleet_models.version import engine_version

CHECKPOINT_FILE, REPORT_FILE, CACHE_FOLDER = "checkpoint.pt", "report.json", "teacher-cache"
CHECKPOINT_COPIES = 6  # parameters, two of the optimizer, the best weights, the result, and one being written
FLOAT_BYTES = 4


class DistillAmpNeedsCuda(InvalidInput):
    """Mixed precision needs a CUDA device; leave --amp out."""

    code = "distill_amp_needs_cuda"


@dataclass(frozen=True, slots=True)
class Order:
    """A student, its teacher and their files.

    `checkpoint` is the teacher's verified file, `name` the name of the new variant.

    `cache_bytes` bounds the teacher's answers on disk, `max_minutes` the time of this call.
    """

    student: VariantRecord
    teacher: VariantRecord
    checkpoint: Path
    images: Path
    out: Path
    name: str
    input_size: int | None = None
    device: str = "cpu"
    cache_bytes: int = 20 * 2**30
    max_minutes: float | None = None


def distill(order: Order, plan: Plan, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Train the student and return the path of the new variant's YAML file. Goes on from the folder's checkpoint."""
    begun, device = time.monotonic(), torch.device(order.device)
    if plan.amp and device.type != "cuda":
        raise DistillAmpNeedsCuda
    record = student_record(order.student, order.teacher, order.input_size)
    split = split_images(find_images(order.images), plan.validation)
    order.out.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(order.teacher, order.checkpoint, device, AnswerCache(order.out / CACHE_FOLDER, order.cache_bytes))
    torch.manual_seed(plan.seed)
    objective = objective_of(record, teacher, plan, device)
    _check_disk(order, objective)
    tell(f"{len(split.training)} images for training, {len(split.validation)} for validation")
    asked = _validation_answers(teacher, split, plan, tell)
    around = Surroundings(
        checkpoint=order.out / CHECKPOINT_FILE,
        fingerprint=plan.fingerprint(_others(order, record, teacher, split)),
        evaluate=lambda: evaluate(objective.network, asked),
        stop=lambda: order.max_minutes is not None and time.monotonic() - begun > 60 * order.max_minutes,
        report=lambda result: tell(_line(result)),
        progress=_progress(tell),
    )
    state = Trainer(objective, split, plan, around).run()
    trivial = baselines([one for _, own in asked for one in own])
    return _write(order, plan, objective, teacher, split, state, trivial)


def _validation_answers(
    teacher: Teacher, split: Split, plan: Plan, tell: Callable[[str], None]
) -> list[tuple[TrainingImage, Sequence[Answer]]]:
    """Return the prompts of the validation images, as many of each as a training image has per epoch."""
    found: list[tuple[TrainingImage, Sequence[Answer]]] = []
    for image in split.validation:
        found.append((image, teacher.answers(image, plan.grid, plan.seed)[: plan.samples_per_image]))
        tell(f"teacher's masks of {len(found)} of {len(split.validation)} validation images")
    return found


def _check_disk(order: Order, objective: Objective) -> None:
    count = sum(value.numel() for value in objective.state().values())
    check_disk(order.out, CHECKPOINT_COPIES * FLOAT_BYTES * count)


def _others(order: Order, record: VariantRecord, teacher: Teacher, split: Split) -> Mapping[str, object]:
    """Return all but the plan that determines the weights."""
    return {
        "student": record.family,
        "architecture": record.architecture,
        "conventions": asdict(record.conventions),
        "input_size": record.input_size,
        "teacher": order.teacher.name,
        "teacher_sha256": teacher.sha256,
        "images": split.digest,
    }


def _write(
    order: Order,
    plan: Plan,
    objective: Objective,
    teacher: Teacher,
    split: Split,
    state: TrainingState,
    trivial: Mapping[str, float],
) -> Path:
    best = state.best_result
    origin = {
        "teacher": order.teacher.name,
        "teacher_sha256": teacher.sha256,
        "images": f"{len(split.training)} for training, {len(split.validation)} for validation",
        "images_sha256": split.digest,
        "losses": objective.losses,
        "settings": json.dumps(asdict(plan)),
        "code": f"samfleet_models {engine_version()}",
    }
    report = {
        **origin,
        "settings": asdict(plan),
        "device": order.device,
        "best_epoch": None if best is None else best.epoch,
        "epochs": [asdict(result) for result in state.history],
        "baselines": dict(trivial),
    }
    write_whole(order.out / REPORT_FILE, (json.dumps(report, indent=2) + "\n").encode())
    return write_result(order.out, order.name, order.student.name, objective.record, state.best, origin)


def _line(result: EpochResult) -> str:
    mious = [
        f"{kind} mIoU {value:.4f}"
        for kind, value in (("box", result.box_miou), ("point", result.point_miou))
        if value is not None
    ]
    losses = f"training loss {result.training_loss:.5f}, validation loss {result.validation_loss:.5f}"
    cut = "" if result.whole else " (cut short)"
    return f"epoch {result.epoch + 1}{cut}: " + ", ".join([losses, *mious])


def _progress(tell: Callable[[str], None], seconds: float = 30.0) -> Callable[[int, int, int], None]:
    """Return a function that tells the step at most every `seconds`."""
    told = time.monotonic()

    def progress(epoch: int, step: int, steps: int) -> None:
        nonlocal told
        if time.monotonic() - told >= seconds:
            told = time.monotonic()
            tell(f"epoch {epoch + 1}: step {step} of {steps}")

    return progress
