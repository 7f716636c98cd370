"""One command-line option per parameter of SegEvery, so that `segment` need not spell out each in its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

_PANEL = "SegEvery (--task everything); options not given take the variant's defaults"

GRID_OPTIONS: dict[str, tuple[type, str]] = {
    "points_per_side": (int, "Points along one side of the grid."),
    "points_per_batch": (int, "Points decoded at once; without it the backend chooses."),
    "pred_iou_thresh": (float, "Least predicted IoU of a mask."),
    "stability_score_thresh": (float, "Least stability of a mask under a shifted cutoff."),
    "stability_score_offset": (float, "How far that cutoff is shifted."),
    "box_nms_thresh": (float, "Box IoU above which the weaker of two masks goes."),
    "crop_n_layers": (int, "Layers of crops that are segmented beside the whole image."),
    "crop_nms_thresh": (float, "As --box-nms-thresh, between crops."),
    "crop_overlap_ratio": (float, "Overlap of neighbouring crops, as a fraction of the image."),
    "crop_n_points_downscale_factor": (int, "Divides the points per side with each layer of crops."),
    "min_mask_region_area": (int, "Islands and holes smaller than this many pixels go."),
    "sampler": (str, "What an image is asked with: grid, hierarchical, object_aware, instances (docs/samplers.md)."),
    "hierarchical_coarse_factor": (int, "hierarchical: divides the points per side in the first round."),
    "high_score_thresh": (float, "hierarchical: logit above which a pixel is not asked about again."),
    "boxes_from": (str, "object_aware: annotations, detections or detector; without it, the file that is given."),
    "detection_score_thresh": (float, "object_aware: a detection must score above this."),
    "detection_nms_thresh": (float, "object_aware: box IoU above which the weaker detection of a category goes."),
    "max_detections": (int, "object_aware, instances: most detections of an image, the best ones."),
}


def with_grid_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with these options; its parameter `grid` receives those that were given, by name."""

    @wraps(command)
    def wrapper(**options: Any) -> None:
        given = {name: options.pop(name) for name in GRID_OPTIONS}
        command(**options, grid={name: value for name, value in given.items() if value is not None})

    own = [
        parameter
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.name != "grid"
    ]
    added = [_parameter(name, *described) for name, described in GRID_OPTIONS.items()]
    wrapper.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined] # what inspect looks for
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    return wrapper


def _parameter(name: str, kind: type, help_: str) -> inspect.Parameter:
    option = typer.Option(help=help_, rich_help_panel=_PANEL, show_default=False)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )
