"""`samfleet worker join`: let this machine work for a stack elsewhere."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from samfleet_cli.commands.options import flag

app = typer.Typer(help="Let this machine work for a stack elsewhere.", no_args_is_help=True)


@app.callback()
def worker() -> None:
    """Let this machine work for a stack elsewhere."""


@app.command("join")
def join(
    detach: Annotated[
        bool, flag("--detach", "-d", help="Start in the background; return when both parts are ready.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="With --detach: seconds to wait until both parts are ready.")] = 300.0,
) -> None:
    """Start Triton and the worker of one pool on this machine.

    SAMFLEET_DATABASE_URL, SAMFLEET_BROKER_URL and SAMFLEET_STORAGE_URL name the parts of the stack to join,
    SAMFLEET_POOL the pool. `samfleet status` and `samfleet down` work as with `samfleet up`.
    """
    from samfleet.config import Settings
    from samfleet_cli.commands.up import up
    from samfleet_cli.local_stack.joining import require_joinable

    require_joinable(Settings())
    os.environ["SAMFLEET_PARTS"] = "worker"  # also for the supervisor in the background
    up(detach=detach, timeout=timeout)
