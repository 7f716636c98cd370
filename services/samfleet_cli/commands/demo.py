"""`samfleet demo`: run the whole stack on real photographs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.", file_okay=False)] = Path("demo-output"),
    points_per_side: Annotated[
        int, typer.Option(min=1, max=256, help="Points along one side of the grid; 32 is the official default.")
    ] = 16,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Segment a few real photographs and write an HTML page with the masks.

    The photographs come with scikit-image. They pass through all parts: API, PostgreSQL, Redis, Celery worker, Triton.
    If no stack is running, one is started for the duration. Exit codes are those of `samfleet segment`.
    """
    from samfleet_cli import tables
    from samfleet_cli.connection import choose_api
    from samfleet_cli.jobs.demo import demonstrate
    from samfleet_cli.jobs.exit_code import exit_code_of
    from samfleet_cli.jobs.progress import open_display

    shown = demonstrate(choose_api(api_url, api_key), out, points_per_side, open_display(sys.stderr))
    summary = shown.results.summary
    console = tables.console()
    console.print(tables.runs_table(summary))
    for run in summary["runs"]:
        console.print(tables.stages_table(run))
    console.print(
        "PostgreSQL stores the stage times of each image with its result; the table above is a query over them."
    )
    if summary["errors"]:
        console.print(tables.errors_table(summary["errors"]))
    typer.echo(where_next(shown.page, shown.api_url))
    raise typer.Exit(exit_code_of(shown.job))


def where_next(page: Path, api_url: str) -> str:
    """Describe what to look at next. `api_url` is empty if the stack ended with the demo."""
    out = page.parent
    api = (
        f"the dashboard       {api_url}/dashboard/ (`samfleet open` logs a browser in)\n"
        f"  API documentation   {api_url}/docs"
        if api_url
        else "a lasting stack     samfleet up (then `samfleet open` shows its dashboard)"
    )
    return "\n".join(
        (
            "Where to look next:",
            f"  the masks           {page.resolve().as_uri()}",
            f"  results             {out / 'mobile_sam.coco.json'}, {out / 'dataset.json'}, {out / 'summary.json'}",
            "  your own images     samfleet segment FOLDER --variant mobile_sam --out out",
            f"  {api}",
        )
    )
