"""The task of `samfleet segment`, from its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, cast

import typer

from samfleet.jobs.task import PromptSource, parse_job_task
from samfleet.variants.task import EverythingParameters, TaskInvalid, task_from_dict
from samfleet.variants.tiling import split_tile


class TaskName(StrEnum):
    EVERYTHING = "everything"
    BOX = "box"
    CENTER_POINT = "center_point"
    RANDOM_POINTS = "random_points"
    FILE = "file"


def task_from_options(
    task: TaskName,
    grid: dict[str, Any],
    multimask: bool | None,
    *,
    files: Sequence[PromptSource],
    drawn: Mapping[str, int | None] = MappingProxyType({}),
) -> dict[str, Any]:
    """Build the API's task object. Contradictory options are wrong usage.

    `files` lists the given files; `drawn` has the options of random_points, None where not given.
    """
    random = {name: value for name, value in drawn.items() if value is not None}
    if random and task is not TaskName.RANDOM_POINTS:
        raise typer.BadParameter("--points and --prompt-seed need --task random_points")
    if "prompts" in files and task is not TaskName.FILE:
        raise typer.BadParameter("--prompts needs --task file")
    if task is TaskName.EVERYTHING:
        if multimask is not None:
            raise typer.BadParameter("--multimask and --single-mask need --task box, center_point or random_points")
        return _everything(grid, files)
    tile = {"tile": grid["tile"]} if "tile" in grid else {}
    if set(grid) - set(tile):
        named = ", ".join(f"--{name.replace('_', '-')}" for name in grid if name not in tile)
        raise typer.BadParameter(f"{named}: needs --task everything")
    if "detections" in files:
        raise typer.BadParameter("--detections needs --sampler object_aware")
    if task is TaskName.FILE:
        if "prompts" not in files:
            raise typer.BadParameter("--task file needs --prompts, or a manifest whose lines have objects")
        return _prompts(task, "prompts", multimask, random, tile)
    if "annotations" not in files:
        raise typer.BadParameter(f"--task {task.value} needs --annotations for its prompts")
    return _prompts(task, "annotations", multimask, random, tile)


def _prompts(
    task: TaskName, source: PromptSource, multimask: bool | None, random: dict[str, int], tile: dict[str, Any]
) -> dict[str, Any]:
    values = {"kind": "prompts", "prompt": task.value, "from": source, **random, **tile}
    asked = values if multimask is None else {**values, "multimask": multimask}
    try:
        parse_job_task(asked)
    except TaskInvalid as error:
        raise typer.BadParameter(error.message) from error
    return asked


def _everything(grid: dict[str, Any], files: Sequence[PromptSource]) -> dict[str, Any]:
    """Build a SegEvery task. By default, boxes come from detections rather than annotations, which may be given only
    for the evaluation.
    """
    values = {"kind": "everything", **grid}
    if grid.get("sampler") == "object_aware" and files:
        values = {**values, "boxes_from": grid.get("boxes_from", files[0])}
    try:
        parse_job_task(values)
        parameters = cast("EverythingParameters", task_from_dict(split_tile(values)[0]))
    except TaskInvalid as error:
        raise typer.BadParameter(error.message) from error
    if parameters.prompted and parameters.boxes_from not in files:
        wanted = f"--{parameters.boxes_from}" if "boxes_from" in grid else "--detections or --annotations"
        raise typer.BadParameter(f"--sampler object_aware needs {wanted} for its boxes")
    if "detections" in files and not parameters.prompted:
        raise typer.BadParameter("--detections needs --sampler object_aware")
    return values
