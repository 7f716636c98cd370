"""`samfleet report check`: measurements against limits and a baseline, with exit codes for continuous integration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samfleet.errors import InvalidInput, NotFound
from samfleet_cli.commands.options import AsJson, flag
from samfleet_cli.commands.report_options import WARMUP, Asked, asks

if TYPE_CHECKING:
    from samfleet.client.client import SamfleetClient
    from samfleet_cli.reporting.checks.baseline import Measurement

FILTERS = ("variant", "hardware", "precision", "job", "pool", "dataset", "since", "until", "stage")
GROUPS = ("variant", "hardware", "precision", "dataset")
SEARCHED = 100  # newest jobs
ENDED = frozenset({"completed", "completed_with_errors"})
DEFAULT_SLOWDOWN = 5.0  # percent


class CheckWithoutRule(InvalidInput):
    """Nothing is checked; give --baseline FILE or --baseline-job JOB, --min-miou, or --write-baseline FILE."""

    code = "check_without_rule"


class BaselineChosenTwice(InvalidInput):
    """Give either --baseline FILE or --baseline-job JOB, not both."""

    code = "baseline_chosen_twice"


class NothingMeasured(NotFound):
    """The chosen job or filters have no measurements, so no baseline is written."""

    code = "nothing_measured"


class NoEndedJob(NotFound):
    """None of the newest jobs has ended; choose measurements by --job or other filters."""

    code = "no_ended_job"


@asks(*FILTERS, WARMUP, output=False)
def check(
    asked: Asked,
    baseline: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Earlier measurements.", show_default=False)
    ] = None,
    baseline_job: Annotated[
        str | None, typer.Option(help="Job with the earlier measurements, instead of a file.", show_default=False)
    ] = None,
    write_baseline: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the measurements to this file.", show_default=False)
    ] = None,
    max_slowdown: Annotated[
        float | None,
        typer.Option(min=0, help="Percent by which a median may be slower. Default: 5.", show_default=False),
    ] = None,
    min_miou: Annotated[float | None, typer.Option(min=0, max=1, help="Minimum mIoU.", show_default=False)] = None,
    max_miou_drop: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="How far mIoU may be below the baseline.", show_default=False),
    ] = None,
    require_all: Annotated[bool, flag("--require-all", help="Fail if a row of the baseline was not measured.")] = False,
    junit: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Also write a JUnit report.", show_default=False)
    ] = None,
    github: Annotated[bool, flag("--github", help="Also print annotations of GitHub Actions.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the newest job, or the job of --job, against limits and a baseline.

    Exit codes: 0 passed, 6 failed, 7 nothing comparable. A slowdown fails only if it exceeds the limit beyond chance.
    """
    from samfleet_cli.reporting.checks import baseline as files
    from samfleet_cli.reporting.checks.output import exit_code, github_annotations, write_junit
    from samfleet_cli.reporting.checks.rules import Limits, check_measurements

    compared = bool(baseline or baseline_job or min_miou is not None)
    if not (compared or write_baseline):
        raise CheckWithoutRule
    if baseline and baseline_job:
        raise BaselineChosenTwice
    earlier = files.read_baseline(baseline).measurements if baseline else _of_job(asked, baseline_job)
    found, job = _measure(asked)
    if write_baseline:
        if not found:
            raise NothingMeasured
        files.write_baseline(write_baseline, found, job)
        typer.echo(f"{write_baseline}: {len(found)} measurements{f' of job {job}' if job else ''}", err=as_json)
        if not compared:
            return
    slowdown = DEFAULT_SLOWDOWN if max_slowdown is None else max_slowdown
    checks = check_measurements(found, earlier, Limits(slowdown / 100, min_miou, max_miou_drop, require_all))
    _print(checks, job, as_json=as_json)
    if junit:
        write_junit(junit, checks)
    for line in github_annotations(checks) if github else ():
        typer.echo(line, err=as_json)
    if code := exit_code(checks):
        raise typer.Exit(code)


def _of_job(asked: Asked, job: str | None) -> list[Measurement]:
    """Return the measurements of an earlier job with the same filters; none without a job."""
    if job is None:
        return []
    others = {name: value for name, value in asked.params.items() if name not in {"since", "until"}}
    return _measure(replace(asked, params={**others, "job": [job]}))[0]


def _measure(asked: Asked) -> tuple[list[Measurement], str | None]:
    """Return the chosen measurements, and their job; None if they are of several or chosen by other filters."""
    from samfleet_cli.commands.report_output import open_api, params_of
    from samfleet_cli.reporting.checks.baseline import measurements_of

    with open_api(asked) as client:
        params: dict[str, Any] = {"stage": ["image"], **params_of(client, asked), "group_by": list(GROUPS)}
        if not any(params.get(name) for name in ("job", "since", "until")):
            params["job"] = [_newest(client)]
        times = client.report("latency", {**params, "intervals": True})["rows"]
        of_images = {name: value for name, value in params.items() if name not in {"stage", WARMUP}}
        quality = client.report("quality", of_images)["rows"]
    jobs = params.get("job", [])
    return measurements_of(times, quality), jobs[0] if len(jobs) == 1 else None


def _newest(client: SamfleetClient) -> str:
    from itertools import islice

    for job in islice(client.jobs(), SEARCHED):
        if job.state in ENDED:
            return str(job.id)
    raise NoEndedJob


def _print(checks: list[Any], job: str | None, *, as_json: bool) -> None:
    from samfleet_cli import tables
    from samfleet_cli.reporting.checks.output import as_json as json_of
    from samfleet_cli.reporting.checks.output import summary, table_of

    if as_json:
        typer.echo(json_of(checks))
        return
    if checks:
        tables.console().print(table_of(checks))
    typer.echo(f"{f'job {job}: ' if job else ''}{summary(checks)}")
