"""`samfleet report`: latency, throughput, quality and cost of variants, from the API's reports."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from samfleet_cli.commands import report_check, report_html, report_sites
from samfleet_cli.commands.options import AsJson
from samfleet_cli.commands.report_options import GROUPS, IMAGES, STAGES, WARMUP, Asked, asks

app = typer.Typer(help="Time, throughput, quality and cost of each variant on each machine.", no_args_is_help=True)


class By(enum.StrEnum):
    VARIANT = "variant"
    HARDWARE = "hardware"


class Against(enum.StrEnum):
    DEVICE = "device"
    SPEED = "speed"
    COST = "cost"


class Quality(enum.StrEnum):
    MIOU = "miou"
    AP = "ap"
    AR = "ar"
    LVIS_AP = "lvis_ap"


@app.command()
@asks(GROUPS, *STAGES, WARMUP)
def latency(asked: Asked) -> None:
    """Time per image by stage: mean and percentiles."""
    from samfleet_cli.commands.report_output import print_report

    print_report(asked, "latency")


@app.command()
@asks(GROUPS, *IMAGES, WARMUP)
def throughput(asked: Asked) -> None:
    """Images per second and per device hour, busy share of the device, and share of waiting time."""
    from samfleet_cli.commands.report_output import print_report

    print_report(asked, "throughput")


@app.command()
@asks(GROUPS, *IMAGES)
def quality(asked: Asked) -> None:
    """Agreement of masks with annotations, by dataset."""
    from samfleet_cli.commands.report_output import print_report

    print_report(asked, "quality")


@app.command()
@asks(GROUPS, *IMAGES, WARMUP)
def pareto(
    asked: Asked,
    against: Annotated[Against, typer.Option(help="Device time, wall-clock time, or cost.")] = Against.DEVICE,
    quality: Annotated[
        Quality, typer.Option(help="Measure of quality; `ar` counts up to 1000 masks, `lvis_ap` is LVIS's AP.")
    ] = Quality.MIOU,
) -> None:
    """Quality against speed or cost, and which points are dominated."""
    from samfleet_cli.commands.report_output import print_report

    print_report(asked, "pareto", against=against.value, quality=quality.value)


@app.command()
@asks(GROUPS, *STAGES, WARMUP)
def compare(
    asked: Asked,
    by: Annotated[By, typer.Option(help="Type of -a and -b.")],
    a: Annotated[str, typer.Option("-a", help="First side: a variant, or the name or id of hardware.")],
    b: Annotated[str, typer.Option("-b", help="Second side.")],
) -> None:
    """Compare two machines or variants: which is faster, by which ratio, with which confidence interval."""
    from samfleet_cli.commands.report_output import print_report

    print_report(asked, "compare", by=by.value, a=a, b=b)


@app.command()
@asks(GROUPS, *IMAGES, WARMUP)
def cost(asked: Asked) -> None:
    """Cost of images, at the prices set by `samfleet report price`."""
    from samfleet_cli.commands.report_output import print_report

    print_report(asked, "cost")


@app.command()
@asks(output=False)
def price(
    asked: Asked,
    hardware: Annotated[
        str, typer.Argument(metavar="HARDWARE", help="Its name, its id or the first characters of its id.")
    ],
    per_hour: Annotated[float, typer.Argument(metavar="PER_HOUR", min=0, max=1e9, help="Price per hour.")],
    currency: Annotated[str, typer.Option(help="Three letters of ISO 4217.")] = "USD",
    as_json: AsJson = False,
) -> None:
    """Set the price per hour of hardware, replacing an earlier one."""
    from samfleet_cli.commands.report_output import open_api, print_json
    from samfleet_cli.reporting.hardware import hardware_id

    with open_api(asked) as client:
        found = client.set_price(hardware_id(client, hardware), per_hour, currency)
    if as_json:
        print_json(found)
    else:
        typer.echo(f"an hour of {found['hardware_id']} costs {found['per_hour']:g} {found['currency']}")


app.command("check")(report_check.check)
app.command("html")(report_html.html)
app.command("export")(report_sites.export)
app.command("import")(report_sites.import_)
app.command("sites")(report_sites.sites)
app.command("forget")(report_sites.forget)
