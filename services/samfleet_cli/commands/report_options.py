"""Shared options of reports. A command declares its filters and receives their values as an `Asked`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, flag

_PANEL = "Which measurements"
IMAGES = ("variant", "hardware", "precision", "job", "pool", "dataset", "site", "since", "until")
EXPORTED = tuple(name for name in IMAGES if name != "site")
STAGES = (*IMAGES, "stage", "batch_size")
GROUPS = "group_by"
WARMUP = "include_warmup"


def _several(kind: type, help_: str) -> Any:
    return Annotated[
        list[kind] | None,  # type: ignore[valid-type]  # the type is an argument
        typer.Option(help=help_, rich_help_panel=_PANEL, show_default=False),
    ]


def _hour(help_: str) -> Any:
    return Annotated[datetime | None, typer.Option(help=help_, rich_help_panel=_PANEL, show_default=False)]


FILTERS: dict[str, Any] = {
    "group_by": _several(str, "Group rows by this, such as variant or day; may be repeated."),
    "variant": _several(str, "Only this variant; like the following filters, may be repeated."),
    "hardware": _several(str, "Only this hardware: its name, its id or the first characters of its id."),
    "precision": _several(str, "Only this precision, such as bf16 or fp16+compile."),
    "job": _several(str, "Only the job with this id."),
    "pool": _several(str, "Only this pool."),
    "dataset": _several(str, "Only the dataset with this name."),
    "site": _several(str, "Only this site; `local` is this one."),
    "since": _hour("From this UTC hour on."),
    "until": _hour("Before this UTC hour."),
    "stage": _several(str, "Only this stage; `image` is the sum of all except the queue."),
    "batch_size": _several(int, "Only this class of batch sizes: 0, 1, 2, 4, 8, …"),
    "include_warmup": Annotated[
        bool,
        flag("--include-warmup", help="Include the first executions after a load.", rich_help_panel=_PANEL),
    ],
}
OUTPUT: dict[str, Any] = {
    "as_csv": Annotated[bool, flag("--csv", help="Print only CSV to stdout.")],
    "as_json": AsJson,
    "png": Annotated[
        Path | None, typer.Option(help="Write a chart to this file; needs samfleet\\[charts].", show_default=False)
    ],
}
API: dict[str, Any] = {"api_url": ApiUrl, "api_key": ApiKey}


@dataclass(frozen=True, slots=True)
class Asked:
    """Options of a report. `params` are query parameters of the API, except that `hardware` may still have names."""

    params: dict[str, Any]
    api_url: str | None
    api_key: str | None
    as_csv: bool = False
    as_json: bool = False
    png: Path | None = None


def asks(*filters: str, output: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add these filters, the API's URL and, if `output`, the output format to a command. Its parameter `asked` receives
    them all.
    """
    wanted = {name: FILTERS[name] for name in filters}
    added = {**wanted, **(OUTPUT if output else {}), **API}

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def wrapper(**options: Any) -> None:
            given = {name: options.pop(name) for name in added}
            params = {name: _as_parameter(given.pop(name)) for name in wanted}
            asked = Asked({name: value for name, value in params.items() if value}, **given)
            command(asked=asked, **options)

        own = [one for one in inspect.signature(command, eval_str=True).parameters.values() if one.name != "asked"]
        parameters = [*own, *(_parameter(name, annotation) for name, annotation in added.items())]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # inspect reads this attribute
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return wrapper

    return with_options


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    default = False if name in {"include_warmup", "as_csv", "as_json"} else None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _as_parameter(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).isoformat()
    return value
