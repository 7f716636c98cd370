"""`samfleet report`: what each variant costs on each machine, from the API's reports."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from samfleet_cli.commands import report_sites
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


@app.command()
@asks(GROUPS, *STAGES, WARMUP)
def latency(asked: Asked) -> None:
    """Time per image by stage: mean and percentiles."""
    from samfleet_cli.commands.report_output import print_report

    print_report(asked, "latency")


@app.command()
@asks(GROUPS, *IMAGES, WARMUP)
def throughput(asked: Asked) -> None:
    """Images per second and per hour of the device, its busy share, the share of waiting."""
    from samfleet_cli.commands.report_output import print_report

    print_report(asked, "throughput")


@app.command()
@asks(GROUPS, *IMAGES)
def quality(asked: Asked) -> None:
    """How well masks agree with annotations, by dataset."""
    from samfleet_cli.commands.report_output import print_report

    print_report(asked, "quality")


@app.command()
@asks(GROUPS, *IMAGES, WARMUP)
def pareto(
    asked: Asked,
    against: Annotated[Against, typer.Option(help="The device's own time, the clock, or cost.")] = Against.DEVICE,
    quality: Annotated[Quality, typer.Option(help="Which quality; `ar` is that of 1000 masks.")] = Quality.MIOU,
) -> None:
    """Quality against speed or cost, and which points another one beats."""
    from samfleet_cli.commands.report_output import print_report

    print_report(asked, "pareto", against=against.value, quality=quality.value)


@app.command()
@asks(GROUPS, *STAGES, WARMUP)
def compare(
    asked: Asked,
    by: Annotated[By, typer.Option(help="What -a and -b are.")],
    a: Annotated[str, typer.Option("-a", help="The first: a variant, or a hardware's name or id.")],
    b: Annotated[str, typer.Option("-b", help="The second.")],
) -> None:
    """Which of two machines or variants is faster, by how much, and how sure that is."""
    from samfleet_cli.commands.report_output import print_report

    print_report(asked, "compare", by=by.value, a=a, b=b)


@app.command()
@asks(GROUPS, *IMAGES, WARMUP)
def cost(asked: Asked) -> None:
    """What images cost, at the prices that `samfleet report price` has set."""
    from samfleet_cli.commands.report_output import print_report

    print_report(asked, "cost")


@app.command()
@asks(output=False)
def price(
    asked: Asked,
    hardware: Annotated[str, typer.Argument(metavar="HARDWARE", help="Its name, its id or how that begins.")],
    per_hour: Annotated[float, typer.Argument(metavar="PER_HOUR", min=0, max=1e9, help="What an hour of it costs.")],
    currency: Annotated[str, typer.Option(help="Three letters of ISO 4217.")] = "USD",
    as_json: AsJson = False,
) -> None:
    """Set what an hour of a hardware costs, in place of what it was."""
    from samfleet_cli.commands.report_output import open_api, print_json
    from samfleet_cli.reporting.hardware import hardware_id

    with open_api(asked) as client:
        found = client.set_price(hardware_id(client, hardware), per_hour, currency)
    if as_json:
        print_json(found)
    else:
        typer.echo(f"an hour of {found['hardware_id']} costs {found['per_hour']:g} {found['currency']}")


app.command("export")(report_sites.export)
app.command("import")(report_sites.import_)
app.command("sites")(report_sites.sites)
app.command("forget")(report_sites.forget)
