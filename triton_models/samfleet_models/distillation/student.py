"""Checks that a student can learn from a teacher, and makes the record of the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from samfleet.errors import InvalidInput
from samfleet.licences import joined_licences
from samfleet.variants.record import VariantRecord
from samfleet_models.distillation.embedding_objective import HEADS, EmbeddingObjective
from samfleet_models.distillation.mask_objective import MaskObjective
from samfleet_models.distillation.objective import Objective
from samfleet_models.distillation.plan import Plan
from samfleet_models.distillation.teacher import Teacher
from samfleet_models.modeling.squeeze_sam.network import SqueezeSizes
from samfleet_models.networks.families import FAMILIES
from samfleet_models.networks.registry import build_network

MASK_FAMILY = "squeeze_sam"


class DistillStudentUntrainable(InvalidInput):
    """This variant cannot be a student; choose one with SAM's decoder and a torch image encoder, or squeezesam."""

    code = "distill_student_untrainable"


class DistillTeacherUnsuitable(InvalidInput):
    """This variant cannot be a teacher of masks; choose one that takes boxes, points and a grid of points."""

    code = "distill_teacher_unsuitable"


class DistillEmbeddingsIncompatible(InvalidInput):
    """The student's embeddings or decoder do not fit the teacher's; choose another pair or input size."""

    code = "distill_embeddings_incompatible"


def student_record(student: VariantRecord, teacher: VariantRecord, input_size: int | None) -> VariantRecord:
    """Return the record of the student that will be trained. Raises an error for a pair that does not fit.

    A student of embeddings has the teacher's decoder, so it has its prompts, masks and parameters of SegEvery too.
    """
    licence = joined_licences(student.weights_licence, teacher.weights_licence)
    record = replace(student, input_size=input_size or student.input_size, weights_licence=licence, companions={})
    _require_masks(teacher)
    if record.family == MASK_FAMILY and record.role == "segmenter":
        multiple = SqueezeSizes(**cast("Mapping[str, Any]", record.architecture)).multiple
        if record.input_size % multiple:
            raise DistillEmbeddingsIncompatible(
                f"--input-size is {record.input_size}; {student.name} takes multiples of {multiple}"
            )
        return record
    if record.family not in FAMILIES or record.detector is not None or record.role != "segmenter":
        raise DistillStudentUntrainable(f"{student.name}: {DistillStudentUntrainable.__doc__}")
    theirs = teacher.conventions.prompts
    masks = theirs.masks and record.conventions.prompts.masks  # not every family's code passes masks to the decoder
    rules = replace(theirs, frame_size=teacher.frame_size, masks=masks)
    conventions = replace(teacher.conventions, preprocessing=record.conventions.preprocessing, prompts=rules)
    record = replace(record, conventions=conventions, everything=teacher.everything)
    _require_same_embeddings(record, teacher)
    return record


def objective_of(record: VariantRecord, teacher: Teacher, plan: Plan, device: torch.device) -> Objective:
    """Make the untrained student of a record of `student_record`."""
    if record.family == MASK_FAMILY:
        return MaskObjective(record, teacher, plan, device)
    return EmbeddingObjective(record, teacher, device)


def _require_masks(teacher: VariantRecord) -> None:
    rules = teacher.conventions.prompts
    if not (rules.boxes and rules.points and "grid" in teacher.conventions.samplers) or teacher.role != "segmenter":
        raise DistillTeacherUnsuitable(f"{teacher.name}: {DistillTeacherUnsuitable.__doc__}")


def _require_same_embeddings(record: VariantRecord, teacher: VariantRecord) -> None:
    if teacher.family not in FAMILIES:
        raise DistillEmbeddingsIncompatible(f"{teacher.name} has no image embedding that {record.name} could learn")
    resizes = [each.conventions.preprocessing.resize for each in (record, teacher)]
    if resizes[0] != resizes[1]:
        raise DistillEmbeddingsIncompatible(
            f"{record.name} places an image by {resizes[0]} and {teacher.name} by {resizes[1]}: their embeddings show "
            "other parts of the image at the same place"
        )
    shapes = [_embedding_shape(each) for each in (record, teacher)]
    if shapes[0] != shapes[1]:
        raise DistillEmbeddingsIncompatible(
            f"the embedding of {record.name} at {record.input_size} pixels is {_words(shapes[0])}, that of "
            f"{teacher.name} is {_words(shapes[1])}; both must be single maps of one shape"
        )
    if _head_shapes(record) != _head_shapes(teacher):
        raise DistillEmbeddingsIncompatible(f"{record.name} has another decoder than {teacher.name}")


def _embedding_shape(record: VariantRecord) -> tuple[int, ...] | None:
    """Return the shape of an image's embedding, None if the encoder returns other features too."""
    with torch.inference_mode(), torch.device("meta"):
        encoder: nn.Module = FAMILIES[record.family].build(record.architecture, record.input_size).eval()
        try:
            found = encoder(torch.zeros(1, 3, record.input_size, record.input_size))
        except RuntimeError as error:  # a fixed position table of another size, or a side that does not divide
            raise DistillEmbeddingsIncompatible(
                f"{record.name} cannot take {record.input_size} pixels: {str(error).partition(chr(10))[0]}"
            ) from error
    return tuple(found.shape) if isinstance(found, Tensor) else None


def _words(shape: tuple[int, ...] | None) -> str:
    return "several maps" if shape is None else " x ".join(map(str, shape[1:]))


def _head_shapes(record: VariantRecord) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = build_network(record).state_dict()
    return {key: tuple(value.shape) for key, value in state.items() if key.startswith(HEADS)}
