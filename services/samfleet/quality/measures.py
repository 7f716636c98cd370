"""Choice of a run's quality figures by its task, as documented in `docs/quality.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from samfleet.errors import InvalidInput
from samfleet.variants.task import EverythingParameters, task_from_dict


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
    """Figures of a run. `recall`: class-agnostic AR. `precision`: class-aware AP. `agreement`: mIoU per instance."""

    recall: bool = False
    precision: bool = False
    agreement: bool = False
    federated: bool = False

    @classmethod
    def of(cls, task: Mapping[str, Any], categories: Sequence[Mapping[str, Any]]) -> Self:
        """Choose the figures by the run's task, with the variant's defaults filled in, and the dataset's categories.

        Masks have categories if annotations or detections prompted them. COCO's AP is left out if annotations are
        federated: it would count a correct mask as wrong if its category was not annotated in the image.
        """
        federated = is_federated(categories)
        if task["kind"] == "prompts":
            return cls(agreement=True, precision=not federated, federated=federated)
        prompted = cast("EverythingParameters", task_from_dict(task)).prompted
        return cls(recall=True, precision=prompted and not federated, federated=prompted and federated)


def is_federated(categories: Sequence[Mapping[str, Any]]) -> bool:
    """Return True if images are annotated with some categories only, as in LVIS.

    LVIS is recognised by the frequencies that its categories state.
    """
    return any("frequency" in category for category in categories)
