"""`samfleet datasets`: prepare public datasets; create, upload, list, edit and delete datasets."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samfleet.datasets.manifests.lines import Format
from samfleet.licences import OF_DATASETS, SETTING, LicenceUnknown, parse_accepted
from samfleet_cli.commands.dataset_uploads import upload
from samfleet_cli.commands.dataset_versions import DatasetId, extend, prompt, refresh, versions
from samfleet_cli.commands.edit_options import NewName, NewNotes, RemovedLabels, changes_of
from samfleet_cli.commands.frames import Frame, FrameParts, frames_of
from samfleet_cli.commands.job_output import labels_in_words
from samfleet_cli.commands.options import (
    ApiKey,
    ApiUrl,
    AsJson,
    LabelFilter,
    Labels,
    Notes,
    Plain,
    SearchText,
    Yes,
    flag,
    label_filters,
    labels_of,
)
from samfleet_cli.commands.prompts import PromptsFormat, PromptsPlace, with_prompts
from samfleet_cli.commands.rows import print_json

if TYPE_CHECKING:
    from samfleet.client.server_sources import ServerSource

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="Name of a recipe.", show_default=False)]
Out = Annotated[
    Path | None, typer.Option(file_okay=False, help="Folder to write.  [default: datasets/NAME]", show_default=False)
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Only N images, chosen by --seed. Default: all.", show_default=False)
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the sample; the same on every machine.")]
Given = Annotated[
    Path | None,
    typer.Option("--from", exists=True, file_okay=False, help="Folder of files you downloaded.", show_default=False),
]
Downloads = Annotated[
    Path | None,
    typer.Option(file_okay=False, help="Folder of archives.  [default: .downloads beside --out]", show_default=False),
]
AcceptTerms = Annotated[
    str,
    typer.Option(
        "--accept-licenses",
        envvar=SETTING,
        help=f"Terms that you accept, separated by commas: {', '.join(OF_DATASETS)}.",
        show_default=False,
    ),
]

BucketUrl = Annotated[
    str | None,
    typer.Option(
        "--s3",
        metavar="URL",
        help="s3://bucket/folder, or with a pattern such as s3://bucket/2026-*/**.",
        show_default=False,
    ),
]
Manifest = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|URL",
        help="List of images: a local .jsonl, .csv or .parquet file, or s3://bucket/name.",
        show_default=False,
    ),
]
Archive = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|URL", help="A local .zip, .tar, .tar.gz or .tgz file, or s3://bucket/name.", show_default=False
    ),
]
ManifestFormat = Annotated[
    Format | None, typer.Option("--format", help="Format of the manifest. Default: by its suffix.", show_default=False)
]
Profile = Annotated[
    str | None,
    typer.Option(
        help="Profile of the server's SAMFLEET_S3_SOURCES. Default: the first that allows the URL.", show_default=False
    ),
]

app = typer.Typer(help="Prepare public datasets; create, upload, list, edit and delete datasets.", no_args_is_help=True)
app.command()(upload)
app.command()(refresh)
app.command()(extend)
app.command()(prompt)
app.command()(versions)


@app.command("list")
def list_datasets(
    search: SearchText = None,
    label: LabelFilter = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number, newest first.")] = 20,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List datasets, newest first."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Column, Form, print_list

    form = Form(as_json, plain)
    with connect(choose_api(api_url, api_key)) as client:
        found = list(islice(client.datasets(q=search, label=label_filters(label)), limit))
    columns = (
        Column("dataset", lambda one: one.id, is_id=True),
        Column("name", lambda one: one.name),
        Column("source", lambda one: one.source),
        Column("state", lambda one: one.state),
        Column("images", lambda one: one.image_count),
        Column("labels", lambda one: labels_in_words(one.labels), folds=True),
    )
    whole = [dataset.model_dump(mode="json") for dataset in found]
    empty = "no dataset matches" if search or label else "there are no datasets"
    print_list(columns, found, form, whole=whole, empty=empty)


@app.command()
def create(
    s3: BucketUrl = None,
    manifest: Manifest = None,
    archive: Archive = None,
    form: ManifestFormat = None,
    profile: Profile = None,
    prompts: PromptsPlace = None,
    prompts_format: PromptsFormat = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help="Only the first N images in the order of their keys, lines or files.", show_default=False
        ),
    ] = None,
    hidden: Annotated[
        bool, flag("--hidden", help="Include hidden keys or files, and those of operating systems.")
    ] = False,
    frame: Frame = None,
    frames: FrameParts = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the dataset. Default: the last folder's, the bucket's or the file's."),
    ] = None,
    label: Labels = None,
    notes: Notes = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Make a dataset of images in a bucket or a manifest, which the server reads and does not copy, or of an archive,
    which it unpacks.

    Waits until they are listed. The operator allows buckets with SAMFLEET_S3_SOURCES, and hosts of URLs with
    SAMFLEET_URL_SOURCES. Paths in a local manifest are relative to its folder, which the server must be able to read.
    Local prompts are uploaded to it.
    """
    from samfleet.client.create_dataset import create_dataset
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.jobs.progress import open_display

    described: dict[str, Any] = {"name": name, "labels": labels_of(label), "notes": notes, **frames_of(frame, frames)}
    places = {"s3": s3, "manifest": manifest, "archive": archive}
    images = _server_source(places, form, {"profile": profile, "limit": limit}, described, hidden=hidden)
    source = with_prompts(images, prompts, prompts_format)
    with connect(choose_api(api_url, api_key)) as client, open_display(sys.stderr) as display:
        dataset = create_dataset(client, source, on_listing=display.listing)
    print_json(dataset.model_dump(mode="json"))


def _server_source(
    places: Mapping[str, str | None],
    form: Format | None,
    options: Mapping[str, Any],
    described: Mapping[str, Any],
    *,
    hidden: bool,
) -> ServerSource:
    """Return the source that one of the options names."""
    from samfleet.client.server_sources import ArchiveSource, BucketSource, ManifestSource

    given = [(kind, place) for kind, place in places.items() if place is not None]
    if len(given) != 1:
        raise typer.BadParameter("give one of --s3, --manifest and --archive")
    [(kind, place)] = given
    if kind == "s3":
        return BucketSource(place, {**options, "include_hidden": hidden or None, **described})
    if kind == "archive":
        return ArchiveSource(place, hidden=hidden, described=described, **options)
    return ManifestSource(place, form, described=described, **options)


@app.command()
def edit(
    dataset_id: DatasetId,
    name: NewName = None,
    label: Labels = None,
    remove_label: RemovedLabels = None,
    notes: NewNotes = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Change the name, labels and notes of a dataset. Labels that are not given stay; so do its images."""
    from samfleet_cli.connection import choose_api, connect

    changes = changes_of(name, label, remove_label, notes)
    with connect(choose_api(api_url, api_key)) as client:
        dataset = client.edit_dataset(dataset_id, changes)
    print_json(dataset.model_dump(mode="json"))


@app.command()
def delete(
    dataset_id: DatasetId,
    yes: Yes = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Delete a dataset with its uploads. Rejected while jobs use it. Files of a folder on the server are kept."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        dataset = client.dataset(dataset_id)
        if not yes:
            typer.confirm(f"Delete dataset {dataset.name} with {dataset.image_count} images?", abort=True)
        client.delete_dataset(dataset.id)
    typer.echo(f"dataset {dataset.id} is deleted")


@app.command()
def prepare(
    name: Name = None,
    out: Out = None,
    limit: Limit = None,
    seed: Seed = 0,
    given: Given = None,
    downloads: Downloads = None,
    accept_licenses: AcceptTerms = "",
    list_recipes: Annotated[bool, flag("--list", help="List the recipes.")] = False,
    as_json: AsJson = False,
    plain: Plain = False,
) -> None:
    """Download a public dataset into a folder that `samfleet segment` and the API take.

    Interrupted preparations continue, and a complete one downloads nothing again.
    """
    from samfleet.datasets.recipes.catalogue import get_recipe
    from samfleet.datasets.recipes.prepare import Preparation
    from samfleet_cli.commands.dataset_recipes import default_out, print_recipes, show_prepared
    from samfleet_cli.listing import Form

    if list_recipes:
        print_recipes(Form(as_json, plain))
        return
    if name is None:
        raise typer.BadParameter("name a recipe, or list them with --list")
    try:
        accepted = parse_accepted(accept_licenses)
    except LicenceUnknown as error:
        raise typer.BadParameter(error.message) from None
    folder = out or default_out(name)
    archives = downloads or folder.parent / ".downloads"
    wanted = Preparation(get_recipe(name), folder, archives, limit, seed, given, accepted)
    show_prepared(wanted, as_json=as_json)
