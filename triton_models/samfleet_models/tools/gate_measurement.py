"""Measures a gate: the same images in fp32 and in the candidate execution, in batches like Triton's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from samfleet.errors import InvalidInput
from samfleet.masks.record import MaskRecord
from samfleet.variants.execution import Execution
from samfleet.variants.gates import LEAST_MASKS, Gate, GateSubject
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters, TaskParameters
from samfleet.variants.weights.pins import expected_sha256
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.device.hardware import choose_device, fingerprint, prepare_device
from samfleet_models.precision.admission import calibration_for, gate_subject
from samfleet_models.precision.dtypes import require_supported
from samfleet_models.precision.mask_agreement import compare_images, figures_of, unusable_scores
from samfleet_models.serving.engine import Engine, EngineSettings

BOXES_PER_IMAGE = 32  # enough to detect a fault; each costs the decoder a prompt

Masks = Sequence[MaskRecord]
Boxes = tuple[Prompt, ...]
Say = Callable[[str], None]


class GateImageUnusable(InvalidInput):
    """An image fails in fp32 too; exclude it from the gate."""

    code = "gate_image_unusable"


class GateMasksMissing(InvalidInput):
    """fp32 finds too few masks in these images for a gate; add images, or use more points."""

    code = "gate_masks_missing"


@dataclass(frozen=True, slots=True)
class Answer:
    """Results for one image: all its masks, and one mask for each of the `boxes`. `fault` describes an error.

    `unscored` counts prompts of both requests whose predicted IoU is not a finite number.
    """

    masks: Masks = ()
    boxes: Boxes = ()
    boxed: Masks = ()
    fault: str | None = None
    unscored: int = 0


def measure_gate(
    record: VariantRecord,
    checkpoint: Path,
    settings: EngineSettings,
    images: Sequence[Path],
    task: EverythingParameters,
    say: Say,
) -> Gate:
    """Measure the gate of `settings.execution` on this machine: SegEvery with `task`, then box prompts from its masks.

    A candidate that cannot be loaded, crashes, or returns scores that are not numbers fails with a fault. Raises
    `PrecisionUnsupported` if the hardware lacks the arithmetic, and `GateMasksMissing` before the candidate is loaded.
    """
    device = choose_device(settings.device, settings.gpu)
    prepare_device(device, settings.threads, settings.kernels)
    require_supported(settings.execution.precision, device)
    subject = _subject(record, checkpoint, settings, device)
    reference: list[Answer] = []
    plain = replace(settings, execution=Execution(), ungated=True)
    with closing(Engine(record, checkpoint, plain)) as engine:
        for part in _parts(images, record.max_batch_size):
            reference += _sound(part, _answers(engine, part, task))
            say(f"fp32: {len(reference)} of {len(images)} images")
    _require_masks(reference, task.points_per_side)
    del engine  # both might not fit into memory together
    candidate = _candidate_answers(record, checkpoint, replace(settings, ungated=True), images, task, reference, say)
    return Gate(
        subject=subject,
        figures=figures_of(
            [
                compare_images(image.name, (own.masks, other.masks), (own.boxed, other.boxed))
                for image, own, other in zip(images, reference, candidate, strict=True)
            ]
        ),
        points_per_side=task.points_per_side,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        faults=tuple(f"{image.name}: {own.fault}" for image, own in zip(images, candidate, strict=True) if own.fault),
        unscored_prompts=sum(answer.unscored for answer in candidate),
    )


def _subject(record: VariantRecord, checkpoint: Path, settings: EngineSettings, device: torch.device) -> GateSubject:
    sha256 = expected_sha256(record.checkpoint, checkpoint.parent)
    _, calibration = calibration_for(record, settings.execution, sha256, settings.gates_dir)
    hardware = fingerprint(device, execution=settings.execution)
    return gate_subject(record, settings.execution, hardware, sha256, calibration)


def _candidate_answers(
    record: VariantRecord,
    checkpoint: Path,
    settings: EngineSettings,
    images: Sequence[Path],
    task: EverythingParameters,
    reference: Sequence[Answer],
    say: Say,
) -> list[Answer]:
    answers: list[Answer] = []
    try:
        with closing(Engine(record, checkpoint, settings)) as engine:
            for part in _parts(images, record.max_batch_size):
                boxes = [answer.boxes for answer in reference[len(answers) : len(answers) + len(part)]]
                answers += _answers(engine, part, task, boxes)
                say(f"{settings.execution}: {len(answers)} of {len(images)} images")
    except Exception as error:  # noqa: BLE001 - any error of a kernel or compiler fails the gate and is recorded
        crash = Answer(fault=f"{type(error).__name__}: {error}")
        answers += [crash] * (len(images) - len(answers))
    return answers


def _answers(
    engine: Engine, images: Sequence[Path], task: EverythingParameters, boxes: Sequence[Boxes] | None = None
) -> list[Answer]:
    """Return the results of one batch. Without `boxes`, those of the masks found are used."""
    files = [image.read_bytes() for image in images]
    found = _segment(engine, files, task, [()] * len(files))
    prompted = [_boxes(reply) for reply in found] if boxes is None else boxes
    boxed = _segment(engine, files, PromptsParameters(), prompted)
    return [
        Answer(
            every.masks,
            prompts,
            one_each.masks,
            _fault(every) or _fault(one_each),
            every.report.unscored_prompts + one_each.report.unscored_prompts,
        )
        for every, prompts, one_each in zip(found, prompted, boxed, strict=True)
    ]


def _segment(
    engine: Engine, files: Sequence[bytes], task: TaskParameters, prompts: Sequence[Boxes]
) -> list[SegmentReply]:
    requests = [SegmentRequest(file, task, own) for file, own in zip(files, prompts, strict=True)]
    replies = dict(engine.segment(requests))
    return [replies[position] for position in range(len(requests))]


def _boxes(reply: SegmentReply) -> Boxes:
    """Return the boxes of the first, best-scoring masks, or the whole image if there are none."""
    whole = (0.0, 0.0, float(reply.report.width), float(reply.report.height))
    found = [(x, y, x + width, y + height) for x, y, width, height in (mask.bbox for mask in reply.masks)]
    return tuple(Prompt(box=box) for box in found[:BOXES_PER_IMAGE] or [whole])


def _fault(reply: SegmentReply) -> str | None:
    if reply.report.error_code is not None:
        return f"{reply.report.error_code}: {reply.report.error_message}"
    if unscored := reply.report.unscored_prompts:  # SegEvery drops these masks, so no mask's score reveals them
        return f"the scores of {unscored} prompts are not finite numbers"
    return "a score is not a finite number" if unusable_scores(reply.masks) else None


def _sound(images: Sequence[Path], answers: list[Answer]) -> list[Answer]:
    for image, answer in zip(images, answers, strict=True):
        if answer.fault:
            raise GateImageUnusable(f"{image} fails in fp32: {answer.fault}; exclude it")
    return answers


def _require_masks(reference: Sequence[Answer], points_per_side: int) -> None:
    """Check the number of masks before compiling the candidate, which may take minutes; with fewer it cannot pass."""
    found = sum(len(answer.masks) for answer in reference)
    if found < LEAST_MASKS:
        raise GateMasksMissing(
            f"fp32 finds {found} masks in {len(reference)} images with {points_per_side} points per side, and a gate "
            f"needs {LEAST_MASKS}; give more photographs with --images, or a larger --grid"
        )


def _parts(images: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    return (images[start : start + size] for start in range(0, len(images), size))
