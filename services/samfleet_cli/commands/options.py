"""Options that several commands share; each says which variable can stand for it."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def flag(*names: str, help: str, **more: Any) -> Any:  # noqa: A002 - as typer calls it
    """An option without a value. Without the empty metavar its help would ask for a <bool>."""
    return typer.Option(*names, help=help, metavar="", **more)


ApiUrl = Annotated[
    str | None,
    typer.Option(
        envvar="SAMFLEET_API_URL",
        help="Address of a samfleet API. Without it: the stack of this machine.",
        show_default=False,
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(envvar="SAMFLEET_API_KEY", help="Key for --api-url.", show_default=False),
]
AsJson = Annotated[bool, flag("--json", help="Print JSON to stdout, and nothing else there.")]
Plain = Annotated[bool, flag("--plain", help="Print tab-separated lines to stdout, without a heading.")]
Yes = Annotated[bool, flag("--yes", "-y", help="Do not ask.")]
Force = Annotated[bool, flag("--force", help="Replace result files that --out already has.")]
