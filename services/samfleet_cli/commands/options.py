"""Options shared by several commands. Their help names the environment variables that set them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from samfleet.labels import LabelsInvalid, parse_label


def flag(*names: str, help: str, **more: Any) -> Any:  # noqa: A002 - typer's name
    """Declare an option without a value. Without the empty metavar, its help would show <bool>."""
    return typer.Option(*names, help=help, metavar="", **more)


ApiUrl = Annotated[
    str | None,
    typer.Option(
        envvar="SAMFLEET_API_URL",
        help="URL of a samfleet API. Default: the stack of this machine.",
        show_default=False,
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(envvar="SAMFLEET_API_KEY", help="Key for --api-url.", show_default=False),
]
AsJson = Annotated[bool, flag("--json", help="Print only JSON to stdout.")]
Plain = Annotated[bool, flag("--plain", help="Print tab-separated lines to stdout, without a header.")]
Yes = Annotated[bool, flag("--yes", "-y", help="Do not ask for confirmation.")]
Force = Annotated[bool, flag("--force", help="Replace existing result files in --out.")]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="A label; may be repeated.", show_default=False),
]
Notes = Annotated[str | None, typer.Option(help="Notes for your team.", show_default=False)]
KeepDays = Annotated[
    int | None,
    typer.Option(
        min=1, help="Delete the job so many days after its end. Default: the server's setting.", show_default=False
    ),
]
Priority = Annotated[
    int | None,
    typer.Option(
        min=0, max=9, help="Each step doubles the job's share of its tenant's turns. Default: 5.", show_default=False
    ),
]
SearchText = Annotated[
    str | None, typer.Option("--search", help="Only those with this text in their name or notes.", show_default=False)
]
LabelFilter = Annotated[
    list[str] | None,
    typer.Option(
        "--label", metavar="KEY=VALUE", help="Only those with this label; may be repeated.", show_default=False
    ),
]


def labels_of(texts: Sequence[str] | None) -> dict[str, str] | None:
    """Parse the values of `--label`; None if there are none. A wrong label is wrong usage."""
    return dict(_parsed(texts)) or None


def label_filters(texts: Sequence[str] | None) -> list[str] | None:
    """Return the values of `--label` as the API's lists take them."""
    return [f"{key}:{value}" for key, value in _parsed(texts)] or None


def _parsed(texts: Sequence[str] | None) -> list[tuple[str, str]]:
    try:
        return [parse_label(text, "=") for text in texts or ()]
    except LabelsInvalid as error:
        raise typer.BadParameter(error.message, param_hint="--label") from error
