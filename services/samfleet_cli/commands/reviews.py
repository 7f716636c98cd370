"""`samfleet reviews`: what people decided about the masks of a run."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from operator import itemgetter
from typing import Annotated, Any

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain
from samfleet_cli.commands.rows import print_json

app = typer.Typer(help="Follow the review of a run's masks, which is made in the dashboard.", no_args_is_help=True)

RunId = Annotated[
    str, typer.Argument(help="The run's id, as `samfleet jobs show --json` has it, or its first six characters.")
]
STATES = ("accepted", "rejected", "deleted")


@app.command("progress")
def progress(
    run_id: RunId, as_json: AsJson = False, plain: Plain = False, api_url: ApiUrl = None, api_key: ApiKey = None
) -> None:
    """Show how many masks are reviewed, by state and by reviewer."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Column, Form, print_list

    with connect(choose_api(api_url, api_key)) as client:
        found = client.review_progress(run_id)
    if as_json:
        print_json(found)
        return
    images, masks = found["images"], found["masks"]
    columns = (
        Column("by", lambda row: row["by"], folds=True),
        *(Column(state, itemgetter(state)) for state in STATES),
        Column("undecided", lambda row: row.get("undecided")),
    )
    rows = [{"by": one["key"] or one["actor"], **one} for one in found["people"]]
    note = f"{images['reviewed']} of {images['total']} images are reviewed"
    print_list(columns, [*rows, {"by": "all", **masks}], Form(False, plain), whole=found["people"], empty="", note=note)


@app.command("history")
def history(
    run_id: RunId,
    image_id: Annotated[int, typer.Argument(help="COCO id of the image in the dataset.")],
    limit: Annotated[int, typer.Option(min=1, help="Maximum number, newest first.")] = 100,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List the changes of an image's review, newest first: who made them and when."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Column, Form, print_list

    with connect(choose_api(api_url, api_key)) as client:
        found = list(islice(client.review_history(run_id, image_id), limit))
    columns = (
        Column("at", lambda one: datetime.fromisoformat(one["at"])),
        Column("by", lambda one: one["key"] or one["actor"], folds=True),
        Column("changes", lambda one: "; ".join(map(_in_words, one["changes"])), folds=True),
    )
    print_list(columns, found, Form(as_json, plain), whole=found, empty="the image has no review")


def _in_words(change: dict[str, Any]) -> str:
    """Return a change as `masks 0, 2: accepted, category cat, merged`."""
    words = [change["state"]] if change.get("state") else []
    if "category" in change:
        words.append(f"category {change['category']}" if change["category"] else "no category")
    if "merge" in change:
        words.append("merged" if change["merge"] else "taken apart")
    return f"masks {', '.join(map(str, change['masks']))}: {', '.join(words)}"
