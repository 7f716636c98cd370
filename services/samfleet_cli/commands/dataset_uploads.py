"""`samfleet datasets upload`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from samfleet_cli.commands.frames import Frame, FrameParts, frames_of
from samfleet_cli.commands.options import ApiKey, ApiUrl, Labels, Notes, flag, labels_of
from samfleet_cli.commands.prompts import PromptsFormat
from samfleet_cli.commands.rows import print_json

MOST_PARALLEL = 16


def _file(text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=text, exists=True, dir_okay=False, show_default=False)
    return option


def upload(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A folder, searched recursively, or one image.", exists=True)
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the dataset. Default: the folder's.", show_default=False)
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET",
            help="Continue the upload of a dataset: its id, or the name of an open one. A name that no open dataset "
            "has makes a new dataset, so the same command begins and continues.",
            show_default=False,
        ),
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, max=MOST_PARALLEL, help="Requests at a time.")] = 4,
    annotations: Annotated[Path | None, _file("COCO instances file of the images.")] = None,
    detections: Annotated[Path | None, _file("COCO results file with boxes.")] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(help="Prompts file, or labels; for yolo and voc, their folder.", exists=True, show_default=False),
    ] = None,
    prompts_format: PromptsFormat = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first N images in sorted path order.", show_default=False)
    ] = None,
    hidden: Annotated[
        bool, flag("--hidden", help="Include hidden files and folders, and those of the system, such as @eaDir.")
    ] = False,
    frame: Frame = None,
    frames: FrameParts = None,
    label: Labels = None,
    notes: Notes = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Upload images, and seal the dataset.

    Files that you uploaded before, into any dataset, are not sent again. An upload that was interrupted continues with
    --resume: the server says which files it lacks.
    """
    from samfleet.client.local_source import Source
    from samfleet.client.open_uploads import Sending
    from samfleet.client.upload_dataset import upload_dataset
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.jobs.progress import open_display

    if name is not None and resume is not None:
        raise typer.BadParameter("give --name or --resume; a new dataset gets the name that --resume has")
    form = prompts_format and prompts_format.value
    chosen = frames_of(frame, frames)
    source = Source(
        path, annotations, limit, detections, hidden=hidden, name=name, prompts=prompts, prompts_format=form,
        frames=chosen,
    )  # fmt: skip
    described = {"labels": labels_of(label), "notes": notes}
    with connect(choose_api(api_url, api_key)) as client, open_display(sys.stderr) as display:
        sending = Sending(
            resume, parallel, described, lambda one: display.say(f"dataset {one.id}; --resume {one.id} continues it")
        )
        dataset = upload_dataset(client, source, sending, on_progress=display.uploading)
    print_json(dataset.model_dump(mode="json"))
