"""`samfleet survey`: the survey's tables for your hardware."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl
from samfleet_cli.exit_codes import ExitCode

app = typer.Typer(help="Measure the tables of the survey on your hardware and datasets.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="Folder of the survey: its state, samples and report.", file_okay=False)]


@app.command()
def run(
    plan: Annotated[
        str, typer.Option(help="A YAML file, or a plan that samfleet ships: default, small, own.")
    ] = "default",
    out: Out = Path("survey"),
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of images for the plan's first dataset.", exists=True, file_okay=False),
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="COCO instances file of these images.", exists=True, dir_okay=False)
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Only this task, on all images of the plan's first dataset; may be repeated."),
    ] = None,
    variant: Annotated[list[str] | None, typer.Option(help="Only this variant; may be repeated.")] = None,
    pool: Annotated[list[str] | None, typer.Option(help="On this pool; may be repeated.")] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Carry out a plan and write its report. If it was interrupted, the same command goes on.

    Every measurement is an ordinary job, one at a time on each pool. Without a running stack, one is started for the
    duration, with each execution of the plan in turn.

    Exit codes: 0 everything was measured or skipped; 3 some measurements failed; 130 Ctrl-C: jobs continue, and the
    same command goes on; 1 any other error.
    """
    from samfleet_cli.connection import choose_api
    from samfleet_cli.survey.plan import load_plan, narrowed, without_missing
    from samfleet_cli.survey.progress import open_progress
    from samfleet_cli.survey.session import run_survey

    loaded = narrowed(load_plan(plan, images, annotations), task or (), variant or (), pool or ())
    kept = without_missing(loaded)
    if left_out := [name for name in loaded.datasets if name not in kept.datasets]:
        typer.echo(f"left out, because their folders are missing: {', '.join(left_out)}", err=True)
    done = run_survey(choose_api(api_url, api_key), kept, out, open_progress(sys.stderr))
    typer.echo(", ".join(f"{count} {status}" for status, count in sorted(done.counts.items())) or "nothing to measure")
    for path in done.files:
        typer.echo(path)
    raise typer.Exit(ExitCode.IMAGES_FAILED if done.counts.get("failed") else ExitCode.OK)


@app.command("stand-ins")
def stand_ins(
    names: Annotated[
        list[str], typer.Argument(metavar="VARIANT...", help="Hosted variants, or all.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder of the stand-ins.", file_okay=False)] = Path("stand-ins"),
) -> None:
    """Write variants with random weights, to measure times where the real weights are missing.

    Measure them with `samfleet --variants-dir FOLDER survey run` and a plan with the variants `stand_ins`. Their
    weights take as much disk space as real ones; those of `all`, one for each architecture, take about 11 GB.
    """
    from samfleet_cli.model_tools import run_stand_ins

    raise typer.Exit(run_stand_ins(names, out))


@app.command()
def report(out: Out = Path("survey"), api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Write the report again, from the measurements that are there now: Markdown, HTML, CSV and JSON."""
    from samfleet_cli.connection import choose_api
    from samfleet_cli.survey.session import report_survey

    for path in report_survey(choose_api(api_url, api_key), out):
        typer.echo(path)
