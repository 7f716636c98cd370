"""`samfleet report`: what each variant costs on each machine, from the API's reports."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from samfleet_cli.options import ApiKey, ApiUrl, AsJson

GroupBy = Annotated[
    list[str] | None,
    typer.Option(help="What has rows of its own, such as variant or day; repeat it.", show_default=False),
]
Variant = Annotated[list[str] | None, typer.Option(help="Only this variant; repeat it.", show_default=False)]
Hardware = Annotated[list[str] | None, typer.Option(help="Only this hardware id; repeat it.", show_default=False)]
Stage = Annotated[list[str] | None, typer.Option(help="Only this stage; repeat it.", show_default=False)]
Job = Annotated[list[str] | None, typer.Option(help="Only this job; repeat it.", show_default=False)]
Since = Annotated[datetime | None, typer.Option(help="From this UTC hour on.", show_default=False)]
Until = Annotated[datetime | None, typer.Option(help="Up to this UTC hour, left out.", show_default=False)]
Warmup = Annotated[bool, typer.Option("--include-warmup", help="Count the first executions after a load too.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV to stdout, and nothing else there.")]
Png = Annotated[Path | None, typer.Option(help="Write a chart here; needs samfleet[charts].", show_default=False)]


def report(
    name: Annotated[str, typer.Argument(help="latency, throughput, quality, pareto, compare or cost.")],
    group_by: GroupBy = None,
    variant: Variant = None,
    hardware: Hardware = None,
    stage: Stage = None,
    job: Job = None,
    since: Since = None,
    until: Until = None,
    include_warmup: Warmup = False,
    by: Annotated[str | None, typer.Option(help="compare: variant or hardware.", show_default=False)] = None,
    a: Annotated[str | None, typer.Option("-a", help="compare: the first.", show_default=False)] = None,
    b: Annotated[str | None, typer.Option("-b", help="compare: the second.", show_default=False)] = None,
    against: Annotated[str | None, typer.Option(help="pareto: speed or cost.", show_default=False)] = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    png: Png = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Print a report: time, throughput, quality or cost of each variant on each machine."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.reporting import Wanted, check, print_report

    wanted = Wanted(as_csv=as_csv, as_json=as_json, png=png)
    check(name, wanted)
    params: dict[str, Any] = {
        "group_by": group_by,
        "variant": variant,
        "hardware": hardware,
        "stage": stage,
        "job": job,
    }
    params |= {"since": _utc(since), "until": _utc(until), "include_warmup": include_warmup or None}
    params |= {"by": by, "a": a, "b": b, "against": against}
    given = {key: value for key, value in params.items() if value not in (None, [])}
    with connect(choose_api(api_url, api_key)) as client:
        print_report(client, name, given, wanted)


def _utc(at: datetime | None) -> str | None:
    return at.replace(tzinfo=at.tzinfo or UTC).isoformat() if at else None
