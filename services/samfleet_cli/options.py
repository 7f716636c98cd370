"""Options that several commands share; each says which variable can stand for it."""

from __future__ import annotations

from pathlib import Path
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
StateDir = Annotated[
    Path,
    typer.Option(envvar="SAMFLEET_STATE_DIR", help="Where the stack of this machine keeps its state."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to stdout, and nothing else there.")]

DEFAULT_STATE_DIR = Path(".samfleet")
