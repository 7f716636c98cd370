"""Command-line options of SegEvery's parameters, added to `segment` without listing them in its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

_PANEL = "SegEvery (--task everything); defaults come from the variant"

GRID_OPTIONS: dict[str, tuple[type, str]] = {
    "points_per_side": (int, "Points along one side of the grid."),
    "points_per_batch": (int, "Points decoded at once; by default the backend chooses."),
    "pred_iou_thresh": (float, "Minimum predicted IoU of a mask."),
    "stability_score_thresh": (float, "Minimum stability score of a mask when its cutoff is shifted."),
    "stability_score_offset": (float, "Shift of that cutoff."),
    "box_nms_thresh": (float, "Box IoU above which the lower-scoring of two masks is removed."),
    "crop_n_layers": (int, "Layers of crops that are segmented in addition to the whole image."),
    "crop_nms_thresh": (float, "Like --box-nms-thresh, between crops."),
    "crop_overlap_ratio": (float, "Overlap of neighbouring crops, as a fraction of the image."),
    "crop_n_points_downscale_factor": (int, "Divisor of the points per side for each layer of crops."),
    "min_mask_region_area": (int, "Remove islands and holes smaller than this many pixels."),
    "sampler": (str, "Prompts of an image: grid, hierarchical, adaptive, salient, object_aware, instances."),
    "hierarchical_coarse_factor": (int, "hierarchical: divisor of the points per side in the first round."),
    "high_score_thresh": (float, "hierarchical: logit above which a pixel gets no point in the second round."),
    "adaptive_levels": (int, "adaptive: levels from the coarsest to the full grid; each doubles the points per side."),
    "similarity_thresh": (
        float,
        "adaptive: skip points whose feature has at least this cosine with their mask.",
    ),
    "salient_window": (int, "salient: side in embedding cells of the window with one point; odd."),
    "boxes_from": (str, "object_aware: annotations, detections or detector; by default the given file."),
    "detection_score_thresh": (float, "object_aware: detections need a score above this."),
    "detection_nms_thresh": (float, "object_aware: box IoU above which the lower-scoring detection is removed."),
    "max_detections": (int, "object_aware, instances: maximum number of detections per image, best first."),
}

TILE_OPTIONS: dict[str, tuple[type, str]] = {
    "tile_size": (int, "Cut larger images into tiles of this many pixels a side, with any --task."),
    "tile_overlap": (int, "Pixels that neighbouring tiles share; an eighth of the size by default."),
}


def with_grid_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add these options to a command. Its parameter `grid` receives the given ones by name, and `tile`."""

    @wraps(command)
    def wrapper(**options: Any) -> None:
        given = {name: options.pop(name) for name in GRID_OPTIONS}
        grid = {name: value for name, value in given.items() if value is not None}
        tile = {name: value for name in TILE_OPTIONS if (value := options.pop(name)) is not None}
        if tile:
            grid["tile"] = {name.removeprefix("tile_"): value for name, value in tile.items()}
        command(**options, grid=grid)

    own = [
        parameter
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.name != "grid"
    ]
    added = [_parameter(name, *described) for name, described in {**GRID_OPTIONS, **TILE_OPTIONS}.items()]
    wrapper.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined] # inspect reads this attribute
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    return wrapper


def _parameter(name: str, kind: type, help_: str) -> inspect.Parameter:
    option = typer.Option(help=help_, rich_help_panel=_PANEL, show_default=False)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )
