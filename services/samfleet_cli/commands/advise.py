"""`samfleet advise`: which variant and execution to use, with the evidence, and what to measure next."""

from __future__ import annotations

import enum
import re
from typing import Annotated, Any

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain, flag

_CONSTRAINTS = "Constraints"
_UNITS = {"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


class Task(enum.StrEnum):
    EVERYTHING = "everything"
    DETECTIONS = "detections"
    BOX = "box"
    CENTER_POINT = "center_point"


class Prefer(enum.StrEnum):
    QUALITY = "quality"
    SPEED = "speed"
    COST = "cost"
    MEMORY = "memory"


class Stage(enum.StrEnum):
    MODEL = "model"
    IMAGE = "image"


def parse_bytes(text: str) -> int:
    """Parse a size such as `2GiB`, `1500 MB` or a number of bytes. Other texts are wrong usage."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = _UNITS.get(found[2].upper()) if found else None
    if found is None or unit is None:
        raise typer.BadParameter(f"{text!r} is not a size; write 2GiB, 1500MB or a number of bytes")
    return round(float(found[1]) * unit)


def _limit(help_: str, **more: Any) -> Any:
    return typer.Option(help=help_, rich_help_panel=_CONSTRAINTS, show_default=False, **more)


Hardware = Annotated[
    str | None,
    typer.Option(
        help="`this` (the reachable pools), `cpu`, `gpu`, a machine's id or name, or a part of it, or a machine with "
        "published figures, such as `RTX 3090`. Default: every measured machine.",
        show_default=False,
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(help="Default: the dataset with the most annotated objects for the task.", show_default=False),
]
MaxMemory = Annotated[int | None, _limit("Peak memory, such as 2GiB.", parser=parse_bytes, metavar="SIZE")]


def advise(
    task: Annotated[Task, typer.Option(help="All masks of an image, or one mask per prompt.")] = Task.EVERYTHING,
    hardware: Hardware = None,
    dataset: Dataset = None,
    max_latency: Annotated[float | None, _limit("Median milliseconds per image.")] = None,
    stage: Annotated[Stage, _limit("Stage of the latency: time in Triton, or all but the queue.")] = Stage.MODEL,
    min_images_per_hour: Annotated[float | None, _limit("Images per hour of device time.")] = None,
    max_cost: Annotated[float | None, _limit("Cost of 1000 images, in --currency.")] = None,
    currency: Annotated[str, _limit("Three letters of ISO 4217. Default: USD.")] = "USD",
    max_memory: MaxMemory = None,
    min_miou: Annotated[float | None, _limit("mIoU, 0 to 1.")] = None,
    min_ap: Annotated[float | None, _limit("AP, 0 to 1.")] = None,
    min_ar: Annotated[float | None, _limit("AR of 1000 masks, 0 to 1.")] = None,
    exclude_licence: Annotated[
        list[str] | None, _limit("Exclude a licence of code or weights, such as AGPL; may be repeated.")
    ] = None,
    commercial: Annotated[
        bool, flag("--commercial", help="Only licences for commercial use.", rich_help_panel=_CONSTRAINTS)
    ] = False,
    prefer: Annotated[Prefer, typer.Option(help="Ranks the variants that meet all constraints.")] = Prefer.QUALITY,
    every: Annotated[bool, flag("--all", help="Show also variants that were not measured on the hardware.")] = False,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Rank variants for a task, hardware and constraints, and say what to measure next.

    Only measurements recommend a variant; published figures are hints.
    Exit codes: 0 a variant is recommended; 5 no measurement meets all constraints; 2 wrong usage; 1 any other error.
    """
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.exit_codes import ExitCode
    from samfleet_cli.listing import Form
    from samfleet_cli.reporting.advice import print_advice

    form = Form(as_json=as_json, plain=plain)
    question = {
        "task": task.value,
        "hardware": hardware,
        "dataset": dataset,
        "stage": stage.value,
        "max_latency_ms": max_latency,
        "min_images_per_hour": min_images_per_hour,
        "max_cost_per_1000": max_cost,
        "currency": currency,
        "max_memory_bytes": max_memory,
        "min_miou": min_miou,
        "min_ap": min_ap,
        "min_ar": min_ar,
        "exclude_licence": exclude_licence,
        "commercial": commercial,
        "prefer": prefer.value,
    }
    with connect(choose_api(api_url, api_key)) as client:
        answer = client.report("advise", {name: value for name, value in question.items() if value is not None})
    print_advice(answer, form, every=every)
    raise typer.Exit(ExitCode.OK if answer["recommended"] else ExitCode.NOTHING_RECOMMENDED)
