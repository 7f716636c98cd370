"""`samfleet datasets`: list and delete datasets."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain, Yes

app = typer.Typer(help="List and delete datasets.", no_args_is_help=True)


@app.command("list")
def list_datasets(
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
        found = list(islice(client.datasets(), limit))
    columns = (
        Column("dataset", lambda one: one.id, is_id=True),
        Column("name", lambda one: one.name),
        Column("source", lambda one: one.source),
        Column("state", lambda one: one.state),
        Column("images", lambda one: one.image_count),
    )
    whole = [dataset.model_dump(mode="json") for dataset in found]
    print_list(columns, found, form, whole=whole, empty="there are no datasets")


@app.command()
def delete(
    dataset_id: Annotated[str, typer.Argument(help="The dataset's id, or its first six or more characters.")],
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
