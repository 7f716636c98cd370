"""Assignment of measurements to the tables and columns of the survey, by their task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samfleet.datasets.recipes import sginw
from samfleet.variants import survey_figures as published
from samfleet.variants.author_figures import AuthorColumn
from samfleet.variants.stand_ins import stands_for
from samfleet.variants.survey_figures import Condition

_GRIDS = {16: published.GRID_16, 32: published.GRID_32, 64: published.GRID_64}
_OWN_SAMPLERS = ("hierarchical", "instances")
RANDOM_POINTS = 3
_PROMPTS = {"box": published.BOX, "center_point": published.CENTER_POINT}
_DETECTORS = {condition.name: condition for condition in (published.VITDET, published.YOLOV8, published.GROUNDING_DINO)}
DATASETS = ("COCO", "LVIS")
UVO = "UVO"
LVIS_VITDET = "lvis_vitdet"
SGINW_SETS = {recipe.name: name for recipe, name in zip(sginw.RECIPES, sginw.SETS, strict=True)}
DATA_SETS = (*DATASETS, UVO, *SGINW_SETS)  # what the images of a plan can be a sample of
NAMES = (*DATA_SETS, *_DETECTORS, LVIS_VITDET)  # what a dataset can be a sample of, also with its detections


def grid_condition(task: Mapping[str, Any]) -> Condition | None:
    """Return the column of table 5; None for a task that the survey did not time.

    The survey's own methods are hierarchical points (TinySAM), boxes of a detector (MobileSAMv2) and networks that find
    all objects at once (FastSAM).
    """
    if task.get("kind") != "everything":
        return None
    if task.get("sampler") == "grid" and not task.get("crop_n_layers"):
        return _GRIDS.get(task.get("points_per_side", 0))
    own = task.get("sampler") in _OWN_SAMPLERS or task.get("boxes_from") == "detector"
    return published.OWN_METHOD if own else None


def prompt_condition(task: Mapping[str, Any], sample_of: str | None) -> Condition | None:
    """Return the column of table 6; None for a task or a data set that is not in it."""
    if task.get("kind") != "prompts" or sample_of not in DATASETS:
        return None
    if sample_of == "LVIS":
        return published.BOX_LVIS if task.get("prompt") == "box" else None
    if task.get("prompt") == "random_points":
        return published.RANDOM_POINTS if task.get("points") == RANDOM_POINTS else None
    return _PROMPTS.get(str(task.get("prompt")))


def detector_condition(sample_of: str | None) -> Condition | None:
    """Return the column of tables 7 and 8."""
    return _DETECTORS.get(sample_of or "")


def hardware_condition(device_kind: str, device_name: str) -> Condition:
    """Return the column of table 4 that is closest to a machine: its own, else the CPU's or the RTX 3090's."""
    for condition in (published.RTX_3090, published.RTX_2080_TI, published.JETSON_NANO):
        if condition.label.lower().replace(" ", "") in device_name.lower().replace(" ", ""):
            return condition
    return published.XEON_6330 if device_kind == "cpu" else published.RTX_3090


def name_with_boxes(sample_of: str, detector: str) -> str | None:
    """Return what a dataset is a sample of once boxes of a detector prompt; None if nothing is published for them."""
    if sample_of == "COCO":
        return detector
    if sample_of == "LVIS":
        return LVIS_VITDET if detector == published.VITDET.name else None
    return sample_of


def author_fields_of(column: AuthorColumn | None, variant: str) -> dict[str, Any]:
    """Return the figure that authors published for a variant, with its source, as columns of a row."""
    figure = column.cells.get(variant) if column else None
    if column is None or figure is None:
        return dict.fromkeys(("published", "published_on", "published_source"))
    return {"published": figure, "published_on": column.on, "published_source": column.sources[variant]}


def fields_of(condition: Condition | None, variant: str) -> dict[str, Any]:
    """Return the published figure of a variant under a condition as columns of a row."""
    figure = published.survey_figure(condition, stands_for(variant)) if condition else None
    return {"published": figure, "published_on": condition.on if condition and figure is not None else None}
