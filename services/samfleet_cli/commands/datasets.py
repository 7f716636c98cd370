"""`samfleet datasets`: list and delete datasets."""

from __future__ import annotations

import json
from itertools import islice
from typing import Annotated

import typer

from samfleet_cli.options import ApiKey, ApiUrl, AsJson, Yes

app = typer.Typer(help="List and delete datasets.", no_args_is_help=True)


@app.command("list")
def list_datasets(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List datasets, newest first."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        found = list(islice(client.datasets(), limit))
    if as_json:
        typer.echo(json.dumps([dataset.model_dump(mode="json") for dataset in found], indent=2, ensure_ascii=False))
        return
    from samfleet_cli import tables

    rows = [(one.id, one.name, one.source, one.state, one.image_count) for one in found]
    tables.console().print(tables.table_of(("dataset", "name", "source", "state", "images"), rows))


@app.command()
def delete(
    dataset_id: Annotated[str, typer.Argument(help="The dataset's id.")],
    yes: Yes = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Delete a dataset with its uploads. It is refused while jobs use it. Files of a folder on the server stay."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        if not yes:
            dataset = client.dataset(dataset_id)
            typer.confirm(f"Delete dataset {dataset.name} with {dataset.image_count} images?", abort=True)
        client.delete_dataset(dataset_id)
    typer.echo(f"dataset {dataset_id} is deleted")
