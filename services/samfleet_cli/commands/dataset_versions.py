"""`samfleet datasets refresh`, `extend`, `prompt` and `versions`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain, flag
from samfleet_cli.commands.prompts import PromptsFormat
from samfleet_cli.commands.rows import print_json

if TYPE_CHECKING:
    from samfleet.client.schemas import Dataset

DatasetId = Annotated[str, typer.Argument(help="The dataset's id, or its first six or more characters.")]


def refresh(dataset_id: DatasetId, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Read a dataset's folder, bucket or manifest again, as its next version.

    Waits until the images are listed, and prints how many are new, changed, gone and unchanged.
    """
    from samfleet.client.create_dataset import refresh_dataset
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.jobs.progress import open_display

    with connect(choose_api(api_url, api_key)) as client, open_display(sys.stderr) as display:
        dataset = refresh_dataset(client, dataset_id, on_listing=display.listing)
    print_json(dataset.model_dump(mode="json"))


def extend(
    dataset_id: DatasetId,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders and image files.", exists=True)],
    hidden: Annotated[
        bool, flag("--hidden", help="Include hidden files and folders, and those of the system.")
    ] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Upload images to a dataset, as its next version.

    An image of the dataset with the same name is replaced. Annotations and detections are not taken over.
    """
    from samfleet.client.upload_dataset import extend_dataset
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.jobs.progress import open_display

    with connect(choose_api(api_url, api_key)) as client, open_display(sys.stderr) as display:
        dataset = extend_dataset(client, dataset_id, paths, hidden=hidden, on_progress=display.uploading)
    print_json(dataset.model_dump(mode="json"))


def prompt(
    dataset_id: DatasetId,
    prompts: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Prompts file, or labels; for yolo and voc, their folder.", exists=True),
    ],
    form: PromptsFormat = None,
    skip_others: Annotated[
        bool, flag("--skip-others", help="Leave out prompts of images that the dataset does not have.")
    ] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Upload a prompts file, or labels of another tool, to a dataset, as its next version.

    The version has the same images with the same ids, and the same annotations and detections; earlier prompts are not
    taken over.
    """
    from samfleet.client.upload_dataset import prompt_dataset
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        dataset = prompt_dataset(client, dataset_id, prompts, form and form.value, skip_others=skip_others)
    print_json(dataset.model_dump(mode="json"))


def versions(
    dataset_id: DatasetId,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List the versions of a dataset, newest first."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Column, Form, print_list

    form = Form(as_json, plain)
    with connect(choose_api(api_url, api_key)) as client:
        found = list(client.dataset_versions(dataset_id))
    columns = (
        Column("version", lambda one: one.version),
        Column("dataset", lambda one: one.id, is_id=True),
        Column("state", lambda one: one.state),
        Column("images", lambda one: one.image_count),
        *(Column(name, partial(_changes, name)) for name in ("new", "changed", "gone", "unchanged")),
    )
    whole = [dataset.model_dump(mode="json") for dataset in found]
    print_list(columns, found, form, whole=whole, empty="the dataset has no versions")


def _changes(name: str, dataset: Dataset) -> int | None:
    return (dataset.changes or {}).get(name)
