"""Options that several commands share; each says which variable can stand for it."""

from __future__ import annotations

from typing import Annotated

import typer

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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to stdout, and nothing else there.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Force = Annotated[bool, typer.Option("--force", help="Replace result files that --out already has.")]
