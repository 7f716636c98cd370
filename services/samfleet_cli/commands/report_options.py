"""The options that reports share. No command spells them out: it says which filters it has and receives an `Asked`."""

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
        list[kind] | None,  # type: ignore[valid-type]  # a type that is handed in
        typer.Option(help=help_, rich_help_panel=_PANEL, show_default=False),
    ]


def _hour(help_: str) -> Any:
    return Annotated[datetime | None, typer.Option(help=help_, rich_help_panel=_PANEL, show_default=False)]


FILTERS: dict[str, Any] = {
    "group_by": _several(str, "What has rows of its own, such as variant or day; repeat it."),
    "variant": _several(str, "Only this variant; repeat it for several, as all of these."),
    "hardware": _several(str, "Only this hardware: its name, its id or how that begins."),
    "precision": _several(str, "Only this precision, such as bf16 or fp16+compile."),
    "job": _several(str, "Only the job of this id."),
    "pool": _several(str, "Only this pool."),
    "dataset": _several(str, "Only the dataset of this name."),
    "site": _several(str, "Only this site; those measured here are `local`."),
    "since": _hour("From this UTC hour on."),
    "until": _hour("Up to this UTC hour, left out."),
    "stage": _several(str, "Only this stage; `image` is all but the queue."),
    "batch_size": _several(int, "Only this class of batches: 0, 1, 2, 4, 8, …"),
    "include_warmup": Annotated[
        bool,
        flag("--include-warmup", help="Count the first executions after a load too.", rich_help_panel=_PANEL),
    ],
}
OUTPUT: dict[str, Any] = {
    "as_csv": Annotated[bool, flag("--csv", help="Print CSV to stdout, and nothing else there.")],
    "as_json": AsJson,
    "png": Annotated[
        Path | None, typer.Option(help="Write a chart here; needs samfleet\\[charts].", show_default=False)
    ],
}
API: dict[str, Any] = {"api_url": ApiUrl, "api_key": ApiKey}


@dataclass(frozen=True, slots=True)
class Asked:
    """`params` are query parameters of the API, but for `hardware`, which may still be names."""

    params: dict[str, Any]
    api_url: str | None
    api_key: str | None
    as_csv: bool = False
    as_json: bool = False
    png: Path | None = None


def asks(*filters: str, output: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The command with these filters, the API's address and, for a table, the choice of its form; its parameter
    `asked` receives all of that.
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
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what inspect looks for
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
