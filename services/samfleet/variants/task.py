"""Tasks of a variant: SegEvery (`EverythingParameters`) or SegAny (`PromptsParameters` with `Prompt`s)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, get_args

from samfleet.errors import InvalidInput

MAX_POINTS_PER_SIDE = 256
MAX_CROP_LAYERS = 4
MAX_LEVELS = 9  # the first level of the largest grid then has one point
MAX_WINDOW = 63
MOST_DETECTIONS = 65_536

# Smallest and largest value of each number of `EverythingParameters`; `points_per_batch` may be "auto" instead.
INTEGER_RANGES: Mapping[str, tuple[int, int]] = {
    "points_per_side": (1, MAX_POINTS_PER_SIDE),
    "points_per_batch": (1, 65_536),
    "crop_n_layers": (0, MAX_CROP_LAYERS),
    "crop_n_points_downscale_factor": (1, 64),
    "min_mask_region_area": (0, 2**31 - 1),
    "hierarchical_coarse_factor": (1, MAX_POINTS_PER_SIDE),
    "adaptive_levels": (1, MAX_LEVELS),
    "salient_window": (1, MAX_WINDOW),
    "max_detections": (1, MOST_DETECTIONS),
}
NUMBER_RANGES: Mapping[str, tuple[float, float]] = {
    "pred_iou_thresh": (-1e6, 1e6),
    "stability_score_thresh": (0.0, 1.0),
    "stability_score_offset": (0.0, 100.0),
    "box_nms_thresh": (0.0, 1.0),
    "crop_nms_thresh": (0.0, 1.0),
    "crop_overlap_ratio": (0.0, 1.0),
    "high_score_thresh": (-1e6, 1e6),
    "similarity_thresh": (-1.0, 1.0),
    "detection_score_thresh": (-1e6, 1e6),
    "detection_nms_thresh": (0.0, 1.0),
}

Sampler = Literal["grid", "hierarchical", "adaptive", "salient", "object_aware", "instances"]
BoxSource = Literal["annotations", "detections", "detector"]

# Parameters of one sampler only; those in no set belong to all samplers that use points.
HIERARCHICAL_ONLY = frozenset({"hierarchical_coarse_factor", "high_score_thresh"})
ADAPTIVE_ONLY = frozenset({"adaptive_levels", "similarity_thresh"})
SALIENT_ONLY = frozenset({"salient_window"})
OBJECT_AWARE_ONLY = frozenset({"boxes_from", "detection_score_thresh", "detection_nms_thresh", "max_detections"})
# Parameters of a network that takes no prompts: it finds all objects itself.
INSTANCES = frozenset(
    {"pred_iou_thresh", "stability_score_thresh", "stability_score_offset", "box_nms_thresh", "max_detections"}
)
OF_ONE_POINT_SAMPLER: dict[str, Sampler] = {
    **dict.fromkeys(HIERARCHICAL_ONLY, "hierarchical"),
    **dict.fromkeys(ADAPTIVE_ONLY, "adaptive"),
    **dict.fromkeys(SALIENT_ONLY, "salient"),
}


class TaskInvalid(InvalidInput):
    """The task's parameters are not valid."""

    code = "task_invalid"


@dataclass(frozen=True, slots=True)
class EverythingParameters:
    """SegEvery, with the names and meanings of the official automatic mask generator.

    Source: `SamAutomaticMaskGenerator` of facebookresearch/segment-anything (automatic_mask_generator.py). With
    `points_per_batch` "auto" the backend chooses. Thresholds are fractions; `min_mask_region_area` is in pixels of the
    original image.

    `sampler` chooses the prompts of the image (docs/samplers.md):

    - `grid`: a grid of points.
    - `hierarchical`: a coarse grid, then the points of the dense grid outside the sure masks.
      `hierarchical_coarse_factor` divides the points per side; pixels with a logit above `high_score_thresh` are sure.
      Source: SamHierarchicalMaskGenerator of xinghaochen/TinySAM.
    - `adaptive`: the dense grid in `adaptive_levels` levels from coarse to fine, without points inside a mask whose
      embedding has a cosine of at least `similarity_thresh` with the mask's mean. Source of the idea: AoP-SAM (arXiv
      2505.11980); it is training-free here.
    - `salient`: cells of the embedding that are the most salient of `salient_window` cells a side. Source of the
      saliency: LOST (arXiv 2109.14279).
    - `object_aware`: boxes, one mask each. Source: MobileSAMv2 of ChaoningZhang/MobileSAM, whose defaults the
      `detection_` thresholds and `max_detections` have.
    - `instances`: no prompts, the network finds all objects (FastSAM). `pred_iou_thresh` applies to their confidence.
    """

    kind: ClassVar[Literal["everything"]] = "everything"

    points_per_side: int = 32
    points_per_batch: int | Literal["auto"] = "auto"
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    stability_score_offset: float = 1.0
    box_nms_thresh: float = 0.7
    crop_n_layers: int = 0
    crop_nms_thresh: float = 0.7
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    min_mask_region_area: int = 0
    sampler: Sampler = "grid"
    hierarchical_coarse_factor: int = 4
    high_score_thresh: float = 8.5
    adaptive_levels: int = 3
    similarity_thresh: float = 0.5
    salient_window: int = 3
    boxes_from: BoxSource = "detections"
    detection_score_thresh: float = 0.4
    detection_nms_thresh: float = 0.9
    max_detections: int = 300

    def __post_init__(self) -> None:
        for name, (least, most) in INTEGER_RANGES.items():
            if name != "points_per_batch" or self.points_per_batch != "auto":
                check_integer(name, getattr(self, name), least, most)
        for name, bounds in NUMBER_RANGES.items():
            _check_number(name, getattr(self, name), *bounds)
        if self.sampler not in get_args(Sampler):
            known = ", ".join(get_args(Sampler))
            raise TaskInvalid(f"sampler {self.sampler!r} is unknown; the samplers of this version are: {known}")
        if self.salient_window % 2 == 0:
            raise TaskInvalid(f"salient_window is {self.salient_window}; it must be odd, so that it has a middle")
        if self.boxes_from not in get_args(BoxSource):
            raise TaskInvalid(f"boxes_from is {self.boxes_from!r}; it is 'annotations', 'detections' or 'detector'")

    @property
    def prompted(self) -> bool:
        """True if only the prompts of the request are segmented, so that a request without prompts has no masks."""
        return self.sampler == "object_aware" and self.boxes_from != "detector"

    def to_dict(self) -> dict[str, Any]:
        """Return only the parameters that the sampler takes."""
        return {"kind": self.kind, **{name: value for name, value in asdict(self).items() if takes(self.sampler, name)}}


def takes(sampler: Sampler, name: str) -> bool:
    """Return True if the sampler uses this parameter of `EverythingParameters`."""
    if name == "sampler":
        return True
    if sampler == "instances":
        return name in INSTANCES
    if name in OBJECT_AWARE_ONLY or sampler == "object_aware":
        return name in OBJECT_AWARE_ONLY and sampler == "object_aware"
    return OF_ONE_POINT_SAMPLER.get(name, sampler) == sampler


@dataclass(frozen=True, slots=True)
class PromptsParameters:
    """SegAny: one result per prompt.

    `masks` = "best" keeps the mask with the highest predicted IoU of a multimask prompt (the first on ties); "all"
    returns its three masks.
    """

    kind: ClassVar[Literal["prompts"]] = "prompts"
    prompted: ClassVar[bool] = True

    masks: Literal["best", "all"] = "best"

    def __post_init__(self) -> None:
        if self.masks not in {"best", "all"}:
            raise TaskInvalid(f"masks is {self.masks!r}; it is 'best' or 'all'")

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self)}


TaskParameters = EverythingParameters | PromptsParameters


@dataclass(frozen=True, slots=True)
class PromptMask:
    """A binary mask of the whole upright image: its `size` (height, width) in pixels, and COCO's compressed RLE."""

    size: tuple[int, int]
    counts: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt for one object, in pixels of the upright original image, x to the right and y down.

    `points` are (x, y) with `labels` 1 (foreground) or 0 (background); `box` is (x0, y0, x1, y1); `mask` is a rough
    mask of the object. At least one of the three is given. `multimask` requests the three ambiguity-aware masks instead
    of the single one.
    """

    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box: tuple[float, float, float, float] | None = None
    multimask: bool = False
    mask: PromptMask | None = None

    def __post_init__(self) -> None:
        if len(self.points) != len(self.labels):
            raise TaskInvalid(
                f"a prompt has {len(self.points)} points but {len(self.labels)} labels; give one label per point"
            )
        if not self.points and self.box is None and self.mask is None:
            raise TaskInvalid("a prompt has neither points nor a box nor a mask; give at least one of them")
        numbers = [*(value for point in self.points for value in point), *(self.box or ())]
        if not all(math.isfinite(value) for value in numbers):
            raise TaskInvalid(f"a prompt has a coordinate that is not a finite number: {numbers}")
        if any(label not in {0, 1} for label in self.labels):
            raise TaskInvalid(f"point labels are 1 (foreground) or 0 (background), got {self.labels}")
        if self.box is not None and not (self.box[0] <= self.box[2] and self.box[1] <= self.box[3]):
            raise TaskInvalid(f"box {self.box} is not (x0, y0, x1, y1) with x0 <= x1 and y0 <= y1")


def task_from_dict(values: Mapping[str, Any], defaults: EverythingParameters | None = None) -> TaskParameters:
    """Parse parameters from their JSON form; missing ones come from `defaults`.

    Raises `TaskInvalid` for unknown names and for parameters of another sampler.
    """
    given = dict(values)
    kind = given.pop("kind", None)
    parameters: type[EverythingParameters | PromptsParameters]
    if kind == "everything":
        parameters = EverythingParameters
    elif kind == "prompts":
        parameters = PromptsParameters
    else:
        raise TaskInvalid(f"task kind {kind!r} is unknown; it is 'everything' or 'prompts'")
    known = {field.name for field in fields(parameters)}
    if unknown := sorted(set(given) - known):
        raise TaskInvalid(
            f"unknown parameter {', '.join(unknown)} of task {kind!r}; known are {', '.join(sorted(known))}"
        )
    if parameters is PromptsParameters:
        return PromptsParameters(**given)
    task = EverythingParameters(**{**(asdict(defaults) if defaults else {}), **given})
    if unused := sorted(name for name in given if not takes(task.sampler, name)):
        raise TaskInvalid(
            f"sampler {task.sampler!r} does not take {', '.join(unused)}; leave them out or name another sampler"
        )
    return task


def check_integer(name: str, value: object, low: int, high: int) -> None:
    """Raise `TaskInvalid` unless `value` is a whole number from `low` to `high`."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise TaskInvalid(f"{name} is {value!r}; it must be a whole number from {low} to {high}")


def _check_number(name: str, value: object, low: float, high: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise TaskInvalid(f"{name} is {value!r}; it must be a number from {low:g} to {high:g}")
