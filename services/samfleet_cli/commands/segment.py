"""`samfleet segment`: masks for a folder of images."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samfleet.jobs.task import PromptSource
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
from samfleet_cli.commands.segment_task import TaskName, task_from_options

if TYPE_CHECKING:
    from samfleet.client.create_dataset import Source
    from samfleet.client.server_sources import BucketSource
    from samfleet_cli.jobs.segment import Segmentation


def _path_or_bucket(value: str) -> Path | str:
    """Return the path of local images, or the address of a bucket as text."""
    if value.startswith("s3://"):
        return value
    if not Path(value).exists():
        raise typer.BadParameter(f"Path {value!r} does not exist.")
    return Path(value)


SourcePath = Annotated[
    Any,
    typer.Argument(
        help="A folder, searched recursively, one image, or s3://bucket/folder that the server reads.",
        metavar="SOURCE",
        parser=_path_or_bucket,
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
Prompts = Annotated[
    Path | None,
    typer.Option(
        help="Prompts file (JSON lines): points and boxes for --task file.",
        exists=True,
        dir_okay=False,
        show_default=False,
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
    prompts: Prompts = None,
    limit: Limit = None,
    hidden: Hidden = False,
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
    """Segment a folder of images and write COCO files.

    Writes to --out: <variant>.instances.json (a complete COCO file) and <variant>.coco.json (COCO results), named
    <variant>@<pool> for several pools, dataset.json (COCO images) and summary.json (counts, times, errors).

    Exit codes: 0 all images succeeded; 3 some images failed (see "errors" in summary.json); 4 the job was cancelled;
    2 wrong usage; 130 Ctrl-C: the job continues, and the message says how to resume; 1 any other error.
    """
    given = _require_regular({"detections": detections, "annotations": annotations, "prompts": prompts})
    asked = task_from_options(task, grid, multimask, files=given, drawn={"points": points, "seed": prompt_seed})
    _require_annotations(annotations, {"--evaluate": evaluate, "--strict-annotations": strict_annotations})
    _require_local(source, given, upload=upload)
    from samfleet_cli.jobs.segment import Segmentation

    images = _images_of(source, annotations, detections, prompts, strict_annotations, limit, hidden, dataset_name)
    fields = {
        "name": name, "labels": labels_of(label), "notes": notes, "keep_days": keep_days, "evaluate": evaluate,
        "priority": priority, "reuse_results": reuse_results or None,
    }  # fmt: skip
    wanted = Segmentation(images, variant, asked, out, pool or (), upload, fields, force)
    _carry_out(api_url, api_key, wanted, as_json=as_json)


def _images_of(
    source: Path | str,
    annotations: Path | None,
    detections: Path | None,
    prompts: Path | None,
    strict_annotations: bool,
    limit: int | None,
    hidden: bool,
    name: str | None,
) -> Source | BucketSource:
    """Return the images on disk, or those of a bucket, which has no files of annotations."""
    from samfleet.client.create_dataset import Source
    from samfleet.client.server_sources import BucketSource

    if isinstance(source, Path):
        return Source(source, annotations, limit, detections, strict_annotations, hidden, name, prompts)
    return BucketSource(source, {"limit": limit, "include_hidden": hidden or None, "name": name})


def _carry_out(api_url: str | None, api_key: str | None, wanted: Segmentation, *, as_json: bool) -> None:
    from samfleet_cli.connection import choose_api
    from samfleet_cli.jobs.exit_code import exit_code_of
    from samfleet_cli.jobs.progress import open_display
    from samfleet_cli.jobs.segment import segment as run
    from samfleet_cli.tables import print_summary

    job, results = run(choose_api(api_url, api_key), wanted, open_display(sys.stderr))
    print_summary(results, as_json=as_json)
    raise typer.Exit(exit_code_of(job))


def _require_regular(files: Mapping[PromptSource, Path | None]) -> list[PromptSource]:
    """Return the names of the files that are given.

    Pipes are rejected, such as a shell's `<(…)`: they can be read only once, but these files are read several times.
    """
    given = {name: path for name, path in files.items() if path is not None}
    for name, path in given.items():
        if not path.is_file():
            raise typer.BadParameter(f"--{name}: {path} is a pipe or a device; write it to a file first")
    return list(given)


def _require_local(source: Path | str, given: Sequence[PromptSource], *, upload: bool) -> None:
    """Refuse files and an upload for images in a bucket."""
    named = [*sorted(given), *(["upload"] if upload else [])]
    if named and not isinstance(source, Path):
        raise typer.BadParameter(f"--{named[0]} needs images on this machine, not in a bucket")


def _require_annotations(annotations: Path | None, options: dict[str, bool | None]) -> None:
    for name, asked in options.items():
        if asked and annotations is None:
            raise typer.BadParameter(f"{name} needs --annotations")
