"""`samfleet prompts`: prompts files, made of labels of other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from samfleet.client.create_dataset import PromptedSource
    from samfleet.client.local_source import Source
    from samfleet.client.server_sources import ServerSource


class LabelFormat(StrEnum):
    YOLO = "yolo"
    VOC = "voc"
    CSV = "csv"
    FIFTYONE = "fiftyone"
    LABEL_STUDIO = "label_studio"
    COCO = "coco"


PromptsFormat = Annotated[
    LabelFormat | None,
    typer.Option(
        "--prompts-format",
        help="Format of labels of another tool. Default: a prompts file (JSON lines).",
        show_default=False,
    ),
]

PromptsPlace = Annotated[
    str | None,
    typer.Option(
        "--prompts",
        metavar="FILE|URL",
        help="Prompts file, or s3://bucket/name of one; or labels, for yolo and voc their folder.",
        show_default=False,
    ),
]


def with_prompts(
    source: Source | ServerSource, place: str | None, form: LabelFormat | None
) -> Source | ServerSource | PromptedSource:
    """Return the images with the prompts at `place`. Prompts that these images cannot have are wrong usage."""
    from samfleet.client.label_folders import PromptsNotSupported
    from samfleet.client.prompts import GivenPrompts

    try:
        given = GivenPrompts.of(place, form and form.value)
        return source if given is None else given.beside(source)
    except PromptsNotSupported as error:
        raise typer.BadParameter(f"--prompts: {error.message}") from error


app = typer.Typer(help="Make prompts files of labels of other tools.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Keep `convert` a subcommand; Typer drops the name of an only command."""


@app.command()
def convert(
    form: Annotated[
        LabelFormat, typer.Argument(metavar="FORMAT", help="yolo, voc, csv, fiftyone, label_studio or coco.")
    ],
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS", exists=True, help="The file of labels; for yolo and voc, the folder of the files."
        ),
    ],
    images: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Folder of the images.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(dir_okay=False, help="Prompts file to write.", show_default=False)],
) -> None:
    """Convert boxes and points to a prompts file for `samfleet segment --task file`.

    Names of images are matched to the files below --images. Labels that are neither boxes nor points are left out, and
    counted in the output.
    """
    from samfleet.datasets.directory import list_files
    from samfleet.datasets.prompt_formats.convert import convert as convert_labels
    from samfleet.files import replacing

    names = list_files(str(images.resolve()), (Path("/"),)).names
    with replacing(out) as file:
        converted = convert_labels(form.value, labels, names, lambda line: file.write(line.encode()))
    typer.echo(f"{out}: {converted.prompts} prompts of {converted.images} images")
    if converted.skipped:
        skipped = ", ".join(f"{count} x {kind}" for kind, count in sorted(converted.skipped.items()))
        typer.echo(f"left out: {skipped}", err=True)
