"""Which figures a run gets, from its task: `docs/quality.md` says the same for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from samfleet.errors import InvalidInput
from samfleet.variants.task import EverythingParameters, task_from_dict


class AnnotationMasksMissing(InvalidInput):
    """Some annotations are boxes without a mask, and masks are needed for centre points and for the evaluation."""

    code = "annotation_masks_missing"


def require_masks(boxes: int | None, annotations: int | None, purpose: str) -> None:
    """Raises `AnnotationMasksMissing` where `boxes` of so many `annotations` have no mask."""
    if boxes:
        raise AnnotationMasksMissing(
            f"{boxes} of {annotations} annotations are boxes without a mask, and {purpose} needs masks; boxes can "
            "prompt: with the task 'box', or as boxes_from 'annotations' of the sampler object_aware"
        )


@dataclass(frozen=True, slots=True)
class Measures:
    """`recall`: class-agnostic AR. `precision`: class-aware AP. `agreement`: mIoU per instance."""

    recall: bool = False
    precision: bool = False
    agreement: bool = False
    federated: bool = False

    @classmethod
    def of(cls, task: Mapping[str, Any], categories: Sequence[Mapping[str, Any]]) -> Self:
        """Of a run's task, with the variant's defaults filled in, and its dataset's categories.

        Masks have categories where annotations or detections prompted them. Where annotations are federated, COCO's AP
        would count a right mask of a category that nobody looked for as wrong, so it is left out.
        """
        federated = is_federated(categories)
        if task["kind"] == "prompts":
            return cls(agreement=True, precision=not federated, federated=federated)
        prompted = cast("EverythingParameters", task_from_dict(task)).prompted
        return cls(recall=True, precision=prompted and not federated, federated=prompted and federated)


def is_federated(categories: Sequence[Mapping[str, Any]]) -> bool:
    """As LVIS is: not every image is annotated with every category. Its categories state how frequent they are."""
    return any("frequency" in category for category in categories)
