"""Options shared by several commands. Their help names the environment variables that set them."""

from __future__ import annotations

from typing import Annotated, Any

import typer


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
