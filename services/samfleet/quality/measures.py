"""Choice of a run's quality figures by its task, as documented in `docs/quality.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, cast

from samfleet.errors import InvalidInput
from samfleet.variants.task import EverythingParameters, task_from_dict
from samfleet.variants.tiling import split_tile


class AnnotationMasksMissing(InvalidInput):
    """Some annotations are boxes without a mask; point prompts and the evaluation need masks."""

    code = "annotation_masks_missing"


def require_masks(boxes: int | None, annotations: int | None, purpose: str) -> None:
    """Raise `AnnotationMasksMissing` if `boxes`, the number of `annotations` without a mask, is not 0."""
    if boxes:
        raise AnnotationMasksMissing(
            f"{boxes} of {annotations} annotations are boxes without a mask, and {purpose} needs masks; use boxes as "
            "prompts: with the task 'box', or with boxes_from 'annotations' of the sampler object_aware"
        )


@dataclass(frozen=True, slots=True)
class Measures:
    """Figures of a run.

    `recall`: class-agnostic AR. `category_free`: class-agnostic AP. `precision`: COCO's class-aware AP. `agreement`:
    mIoU per instance. `frequencies`, if not None: LVIS's AP and AR; the frequency by category, "r", "c" or "f", or None
    where the file states none. `federated`: AP is left out, for the reason of `AnnotationsFederated`.
    """

    recall: bool = False
    category_free: bool = False
    precision: bool = False
    agreement: bool = False
    frequencies: Mapping[int, str | None] | None = None
    federated: bool = False

    @classmethod
    def of(cls, task: Mapping[str, Any], categories: Sequence[Mapping[str, Any]], *, checked: bool) -> Self:
        """Choose the figures by the run's task, with the variant's defaults filled in, and the dataset's categories.

        Masks have categories if annotations or detections prompted them. COCO's AP would count a correct mask as wrong
        if its category was not annotated in the image. Federated annotations get LVIS's AP instead, if they are
        `checked`: every image states the categories that were looked for in it. Masks without categories get the
        class-agnostic AP on annotations with one category, such as UVO's. Prompts of a file are not bound to
        annotations, and their categories are optional.
        """
        federated = is_federated(categories)
        by_category = cls(
            precision=not federated,
            frequencies={one["id"]: one.get("frequency") for one in categories} if federated and checked else None,
            federated=federated and not checked,
        )
        if task.get("prompt") == "file":
            return cls(recall=True)
        if task["kind"] == "prompts":
            return replace(by_category, agreement=True)
        if cast("EverythingParameters", task_from_dict(split_tile(task)[0])).prompted:
            return replace(by_category, recall=True)
        return cls(recall=True, category_free=len(categories) == 1)


def is_federated(categories: Sequence[Mapping[str, Any]]) -> bool:
    """Return True if images are annotated with some categories only, as in LVIS.

    LVIS is recognised by the frequencies that its categories state.
    """
    return any("frequency" in category for category in categories)
