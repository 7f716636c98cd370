"""`samfleet segment`: masks for a folder of images."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samfleet.jobs.task import PromptSource
from samfleet_cli.commands.frames import Frame, FrameParts, frames_of
from samfleet_cli.commands.grid_options import with_grid_options
from samfleet_cli.commands.options import (
    ApiKey,
    ApiUrl,
    AsJson,
    Force,
    KeepDays,
    Labels,
    Notes,
    Priority,
    flag,
    labels_of,
)
from samfleet_cli.commands.prompts import PromptsFormat, PromptsPlace, with_prompts
from samfleet_cli.commands.segment_task import TaskName, task_from_options

if TYPE_CHECKING:
    from samfleet.client.local_source import Source
    from samfleet.client.server_sources import ServerSource
    from samfleet_cli.jobs.segment import Segmentation


def _existing(value: str) -> str:
    if not value.startswith("s3://") and not Path(value).exists():
        raise typer.BadParameter(f"Path {value!r} does not exist.")
    return value


SourcePath = Annotated[
    str,
    typer.Argument(
        help="A folder, searched recursively, one file, s3://bucket/folder that the server reads, or a manifest or an "
        "archive, here or in a bucket.",
        metavar="SOURCE",
        callback=_existing,
        show_default=False,
    ),
]
Variants = Annotated[list[str], typer.Option(help="Name of a variant; may be repeated.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Folder for the results.", file_okay=False, show_default=False)]
JobName = Annotated[str | None, typer.Option("--name", help="Name of the job.", show_default=False)]
DatasetName = Annotated[
    str | None,
    typer.Option("--dataset-name", help="Name of the dataset. Default: the folder's name.", show_default=False),
]
Task = Annotated[TaskName, typer.Option(help="All masks of an image, or one mask per annotated object or prompt.")]
Annotations = Annotated[
    Path | None,
    typer.Option(
        help="COCO instances file: prompts for box, center_point and random_points, and ground truth.",
        exists=True,
        dir_okay=False,
        show_default=False,
    ),
]
Hidden = Annotated[
    bool, flag("--hidden", help="Include hidden files and folders, and those of the system, such as @eaDir.")
]
StrictAnnotations = Annotated[
    bool,
    flag(
        "--strict-annotations",
        help="Reject images that --annotations does not name, and annotations of other images.",
    ),
]
Detections = Annotated[
    Path | None,
    typer.Option(
        help="COCO results file: boxes for --sampler object_aware.", exists=True, dir_okay=False, show_default=False
    ),
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Only the first N images in sorted path order.", show_default=False)
]
Pools = Annotated[list[str] | None, typer.Option(help="Name of a pool; may be repeated.", show_default=False)]
Upload = Annotated[bool, flag("--upload", help="Upload the files even if the server could read the folder.")]
Multimask = Annotated[
    bool | None,
    flag(
        "--multimask/--single-mask",
        help="Per prompt, keep the best of three masks or the single mask. Default: single for box, three for points.",
        show_default=False,
    ),
]
Points = Annotated[
    int | None,
    typer.Option(help="random_points: random pixels of each object. Default: 3.", show_default=False),
]
PromptSeed = Annotated[
    int | None,
    typer.Option(help="random_points: seed of the random pixels. Default: 0.", show_default=False),
]
Evaluate = Annotated[
    bool | None,
    flag(
        "--evaluate/--no-evaluate",
        help="Evaluate completed runs against --annotations. Default: evaluate.",
        show_default=False,
    ),
]

ReuseResults = Annotated[
    bool,
    flag(
        "--reuse-results",
        help="Take over the masks of images that an earlier job with the same variant and options has segmented.",
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
    prompts: PromptsPlace = None,
    prompts_format: PromptsFormat = None,
    limit: Limit = None,
    hidden: Hidden = False,
    frame: Frame = None,
    frames: FrameParts = None,
    pool: Pools = None,
    upload: Upload = False,
    multimask: Multimask = None,
    points: Points = None,
    prompt_seed: PromptSeed = None,
    evaluate: Evaluate = None,
    name: JobName = None,
    label: Labels = None,
    notes: Notes = None,
    keep_days: KeepDays = None,
    priority: Priority = None,
    reuse_results: ReuseResults = False,
    dataset_name: DatasetName = None,
    force: Force = False,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Segment images and write COCO files.

    Writes to --out: <variant>.instances.json (a complete COCO file) and <variant>.coco.json (COCO results), named
    <variant>@<pool> for several pools, dataset.json (COCO images) and summary.json (counts, times, errors).

    Exit codes: 0 all images succeeded; 3 some images failed (see "errors" in summary.json); 4 the job was cancelled;
    2 wrong usage; 130 Ctrl-C: the job continues, and the message says how to resume; 1 any other error.
    """
    given = _files_given(annotations, detections, prompts)
    local = {"annotations": annotations, "detections": detections, "upload": upload}
    chosen = frames_of(frame, frames)
    images = _of_server(source, local, limit=limit, hidden=hidden, described={"name": dataset_name, **chosen})
    if task is TaskName.FILE and _may_have_prompts(images):
        given.append("prompts")
    asked = task_from_options(task, grid, multimask, files=given, drawn={"points": points, "seed": prompt_seed})
    _require_annotations(annotations, {"--evaluate": evaluate, "--strict-annotations": strict_annotations})
    from samfleet_cli.jobs.segment import Segmentation

    if images is None:
        images = _of_path(
            source, annotations=annotations, limit=limit, detections=detections, name=dataset_name,
            strict_annotations=strict_annotations, hidden=hidden, frames=chosen,
        )  # fmt: skip
    fields = {
        "name": name, "labels": labels_of(label), "notes": notes, "keep_days": keep_days, "evaluate": evaluate,
        "priority": priority, "reuse_results": reuse_results or None,
    }  # fmt: skip
    prompted = with_prompts(images, prompts, prompts_format)
    wanted = Segmentation(prompted, variant, asked, out, pool or (), upload, fields, force)
    _carry_out(api_url, api_key, wanted, as_json=as_json)


def _of_server(source: str, local: Mapping[str, Any], **options: Any) -> Source | ServerSource | None:
    """Return images that the server finds itself, or None. They have none of the options of `local` images."""
    from samfleet.client.server_sources import server_source

    images = server_source(source, **options)
    if images is not None and (named := [name for name, value in local.items() if value]):
        raise typer.BadParameter(f"--{named[0]} needs a folder or an image on this machine")
    return images


def _may_have_prompts(images: Source | ServerSource | None) -> bool:
    """Return whether the lines of the source may have prompts, which only the server sees."""
    from samfleet.client.server_sources import ManifestSource

    return isinstance(images, ManifestSource)


def _of_path(path: str, **options: Any) -> Source:
    from samfleet.client.local_source import Source

    return Source(Path(path), **options)


def _carry_out(api_url: str | None, api_key: str | None, wanted: Segmentation, *, as_json: bool) -> None:
    from samfleet_cli.connection import choose_api
    from samfleet_cli.jobs.exit_code import exit_code_of
    from samfleet_cli.jobs.progress import open_display
    from samfleet_cli.jobs.segment import segment as run
    from samfleet_cli.tables import print_summary

    job, results = run(choose_api(api_url, api_key), wanted, open_display(sys.stderr))
    print_summary(results, as_json=as_json)
    raise typer.Exit(exit_code_of(job))


def _files_given(annotations: Path | None, detections: Path | None, prompts: str | None) -> list[PromptSource]:
    """Return the names of the files that are given.

    Pipes are rejected, such as a shell's `<(…)`: they can be read only once, but these files are read several times.
    """
    local = None if prompts is None or prompts.startswith("s3://") else Path(prompts)
    for name, path in {"detections": detections, "annotations": annotations, "prompts": local}.items():
        if path is not None and path.exists() and not (path.is_file() or path.is_dir()):
            raise typer.BadParameter(f"--{name}: {path} is a pipe or a device; write it to a file first")
    given: dict[PromptSource, object] = {"detections": detections, "annotations": annotations, "prompts": prompts}
    return [name for name, file in given.items() if file is not None]


def _require_annotations(annotations: Path | None, options: dict[str, bool | None]) -> None:
    for name, asked in options.items():
        if asked and annotations is None:
            raise typer.BadParameter(f"{name} needs --annotations")
