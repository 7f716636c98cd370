"""`samfleet segment`: masks for a folder of images."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from samfleet.variants.task import BoxSource, EverythingParameters, TaskInvalid, task_from_dict
from samfleet_cli.commands.grid_options import with_grid_options
from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Force, flag

if TYPE_CHECKING:
    from samfleet_cli.connection import ApiChoice
    from samfleet_cli.jobs.segment import Segmentation


class TaskName(StrEnum):
    EVERYTHING = "everything"
    BOX = "box"
    CENTER_POINT = "center_point"


SourcePath = Annotated[
    Path, typer.Argument(help="A folder, searched with its sub-folders, or one image.", exists=True, show_default=False)
]
Variants = Annotated[list[str], typer.Option(help="A variant's name; repeat it for several.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Folder for the results.", file_okay=False, show_default=False)]
JobName = Annotated[str | None, typer.Option("--name", help="A name for the job.", show_default=False)]
DatasetName = Annotated[
    str | None,
    typer.Option("--dataset-name", help="A name for the dataset; without it the folder's.", show_default=False),
]
Task = Annotated[TaskName, typer.Option(help="All masks of an image, or one per annotated object.")]
Annotations = Annotated[
    Path | None,
    typer.Option(
        help="COCO instances: the prompts of box and center_point, and ground truth for mIoU.",
        exists=True,
        dir_okay=False,
        show_default=False,
    ),
]
Hidden = Annotated[
    bool, flag("--hidden", help="Take hidden files and folders too, and those of the system, such as @eaDir.")
]
StrictAnnotations = Annotated[
    bool,
    flag(
        "--strict-annotations",
        help="Refuse images that --annotations does not name, and annotations of other images.",
    ),
]
Detections = Annotated[
    Path | None,
    typer.Option(
        help="COCO results: the boxes of --sampler object_aware.", exists=True, dir_okay=False, show_default=False
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="The first N images in sorted path order.", show_default=False)]
Pools = Annotated[list[str] | None, typer.Option(help="A pool's name; repeat it for several.", show_default=False)]
Upload = Annotated[bool, flag("--upload", help="Send the files even if the server could read the folder.")]
Multimask = Annotated[
    bool | None,
    flag(
        "--multimask/--single-mask",
        help="Per prompt, the best of three masks or the single one. Single for box, three for center_point if unset.",
        show_default=False,
    ),
]
Evaluate = Annotated[
    bool | None,
    flag(
        "--evaluate/--no-evaluate",
        help="Whether completed runs are evaluated against --annotations; they are if unset.",
        show_default=False,
    ),
]


@with_grid_options
def segment(
    source: SourcePath,
    variant: Variants,
    out: Out,
    grid: dict[str, Any],
    task: Task = TaskName.EVERYTHING,
    annotations: Annotations = None,
    strict_annotations: StrictAnnotations = False,
    detections: Detections = None,
    limit: Limit = None,
    hidden: Hidden = False,
    pool: Pools = None,
    upload: Upload = False,
    multimask: Multimask = None,
    evaluate: Evaluate = None,
    name: JobName = None,
    dataset_name: DatasetName = None,
    force: Force = False,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Segment a folder of images and write COCO files.

    Writes into --out: <variant>.instances.json (a whole COCO file) and <variant>.coco.json (COCO results), with
    <variant>@<pool> where there are several pools, dataset.json (COCO images) and summary.json (counts, times, errors).

    Exit codes: 0 every image succeeded; 3 some images failed, "errors" in summary.json says why; 4 the job was
    cancelled; 2 wrong usage; 130 Ctrl-C: the job goes on, the message says how to get back to it; 1 any other error.
    """
    files: dict[BoxSource, Path | None] = {"detections": detections, "annotations": annotations}
    _require_regular(files)
    asked = task_from_options(task, grid, multimask, files=[name for name, path in files.items() if path])
    _require_annotations(annotations, {"--evaluate": evaluate, "--strict-annotations": strict_annotations})
    from samfleet_cli.connection import choose_api
    from samfleet_cli.jobs.dataset import Source
    from samfleet_cli.jobs.segment import Segmentation

    images = Source(source, annotations, limit, detections, strict_annotations, hidden, dataset_name)
    wanted = Segmentation(images, variant, asked, out, pool or (), upload, evaluate, name, force)
    _carry_out(choose_api(api_url, api_key), wanted, as_json=as_json)


def _carry_out(api: ApiChoice, wanted: Segmentation, *, as_json: bool) -> None:
    from samfleet_cli.jobs.progress import open_display
    from samfleet_cli.jobs.segment import segment as run
    from samfleet_cli.jobs.wait import exit_code_of
    from samfleet_cli.tables import print_summary

    job, results = run(api, wanted, open_display(sys.stderr))
    print_summary(results, as_json=as_json)
    raise typer.Exit(exit_code_of(job))


def _require_regular(files: Mapping[BoxSource, Path | None]) -> None:
    """A pipe, such as a shell's `<(…)`, can be read once; these files are read and sent several times."""
    for name, path in files.items():
        if path is not None and not path.is_file():
            raise typer.BadParameter(f"--{name}: {path} is a pipe or a device; write it into a file and name that")


def _require_annotations(annotations: Path | None, options: dict[str, bool | None]) -> None:
    for name, asked in options.items():
        if asked and annotations is None:
            raise typer.BadParameter(f"{name} needs --annotations")


def task_from_options(
    task: TaskName, grid: dict[str, Any], multimask: bool | None, *, files: Sequence[BoxSource]
) -> dict[str, Any]:
    """The API's task object; options that contradict each other are wrong usage. `files` are those that were given."""
    if task is TaskName.EVERYTHING:
        if multimask is not None:
            raise typer.BadParameter("--multimask and --single-mask go with --task box or center_point")
        return _everything(grid, files)
    if grid:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in grid)
        raise typer.BadParameter(f"{named}: goes with --task everything")
    if "detections" in files:
        raise typer.BadParameter("--detections goes with --sampler object_aware")
    if "annotations" not in files:
        raise typer.BadParameter(f"--task {task.value} takes its prompts from --annotations")
    prompts = {"kind": "prompts", "prompt": task.value, "from": "annotations"}
    return prompts if multimask is None else {**prompts, "multimask": multimask}


def _everything(grid: dict[str, Any], files: Sequence[BoxSource]) -> dict[str, Any]:
    """Without --boxes-from, detections are preferred to annotations, which may be there to score the masks."""
    values = {"kind": "everything", **grid}
    if grid.get("sampler") == "object_aware" and files:
        values = {**values, "boxes_from": grid.get("boxes_from", files[0])}
    try:
        parameters = cast("EverythingParameters", task_from_dict(values))
    except TaskInvalid as error:
        raise typer.BadParameter(error.message) from error
    if parameters.prompted and parameters.boxes_from not in files:
        wanted = f"--{parameters.boxes_from}" if "boxes_from" in grid else "--detections or --annotations"
        raise typer.BadParameter(f"--sampler object_aware takes its boxes from {wanted}")
    if "detections" in files and not parameters.prompted:
        raise typer.BadParameter("--detections goes with --sampler object_aware")
    return values
