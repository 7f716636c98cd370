"""`samfleet up`, `down` and `status`: control the embedded stack."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from samfleet_cli.commands.options import flag

if TYPE_CHECKING:
    from samfleet_cli.local_stack.part import PartStatus
    from samfleet_cli.local_stack.stack import StackStatus
    from samfleet_cli.local_stack.state import StackInfo

_STATE_COLOURS = {"ready": "green", "external": "cyan", "failed": "red", "restarting": "red", "stopped": "dim"}
_TABLE_WIDTH = 100  # below this, rich would truncate addresses


def up(
    detach: Annotated[
        bool, flag("--detach", "-d", help="Start in the background; return when all parts are ready.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="With --detach: seconds to wait until all parts are ready.")] = 300.0,
) -> None:
    """Start the whole stack on this machine: PostgreSQL, Redis, Triton, API, worker and beat.

    Without --detach, it runs until Ctrl-C, which stops everything.
    """
    from rich.console import Console

    from samfleet.config import Settings
    from samfleet_cli.local_stack.gates import require_gates
    from samfleet_cli.local_stack.run import run_stack
    from samfleet_cli.local_stack.settings import StackSettings
    from samfleet_cli.local_stack.stack import StackDidNotStart, explain_failure, prepare_start, start_stack
    from samfleet_cli.local_stack.weights import pull_missing

    console = Console(stderr=True, highlight=False, emoji=False)
    settings, stack = Settings(), StackSettings()
    require_gates(settings, stack)
    prepare_start(settings, stack)
    pull_missing(settings, stack)
    report = _reporter(console.print)
    if detach:
        _say_ready(start_stack(stack.state_dir, report, timeout))
        return
    told = False

    def on_change(info: StackInfo, parts: Sequence[PartStatus]) -> None:
        nonlocal told
        report(parts)
        if not told and all(part.state in {"ready", "external"} for part in parts):
            told = True
            _say_ready(info)
            console.print("Ctrl-C stops everything.")

    if not run_stack(settings, stack, on_change):
        raise StackDidNotStart(explain_failure(stack.state_dir))


def down() -> None:
    """Stop the stack of this directory, and processes that a killed stack has left behind."""
    from samfleet_cli.local_stack.settings import StackSettings
    from samfleet_cli.local_stack.stack import stop_stack

    state_dir = StackSettings().state_dir
    typer.echo("stopped" if stop_stack(state_dir) else f"no stack runs in {state_dir.resolve()}")


def status(as_json: Annotated[bool, flag("--json", help="Print JSON.")] = False) -> None:
    """Show the state of each part of the stack."""
    from samfleet_cli.local_stack.settings import StackSettings
    from samfleet_cli.local_stack.stack import stack_status

    now = stack_status(StackSettings().state_dir)
    if as_json:
        typer.echo(json.dumps(asdict(now), indent=2))
    else:
        _print_table(now)


def _print_table(now: StackStatus) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("part", "state", "pid", "restarts", "last exit", "since", "address", box=None, pad_edge=False)
    for part in now.parts:
        colour = _STATE_COLOURS.get(part.state, "yellow")
        pid, last_exit = str(part.pid or ""), _exit_words(part.last_exit)
        since = _local_time(part.since) if part.since else ""
        table.add_row(part.name, f"[{colour}]{part.state}[/]", pid, str(part.restarts), last_exit, since, part.address)
    console = Console(emoji=False)
    console.width = max(console.width, _TABLE_WIDTH)
    console.print(f"stack: {now.state}" + (f", supervisor {now.supervisor_pid}" if now.supervisor_pid else ""))
    if now.api_url:
        console.print(f"API: {now.api_url}")
    if now.parts:
        console.print(table)
    for name, url in now.metrics.items():
        console.print(f"metrics of {name}: {url}")


def _local_time(moment: str) -> str:
    from datetime import datetime

    return f"{datetime.fromisoformat(moment).astimezone():%m-%d %H:%M:%S}"


def _exit_words(code: int | None) -> str:
    import signal

    if code is None:
        return ""
    return signal.Signals(-code).name if code < 0 else str(code)


def _reporter(write: Callable[[str], None]) -> Callable[[Sequence[PartStatus]], None]:
    """Return a function that writes one line for each part whose state has changed."""
    from rich.markup import escape

    known: dict[str, str] = {}

    def report(parts: Sequence[PartStatus]) -> None:
        for part in parts:
            if known.get(part.name) != part.state:
                known[part.name] = part.state
                colour = _STATE_COLOURS.get(part.state, "yellow")
                after = f", exit {_exit_words(part.last_exit)}" if part.state in {"restarting", "failed"} else ""
                write(f"{part.name:<14} [{colour}]{part.state}[/]{after} {part.address or ''}".rstrip())
                if part.reason:
                    write(f"  {escape(part.reason)}")

    return report


def _say_ready(info: StackInfo) -> None:
    from samfleet_cli.local_stack.layout import StateDir

    if not info.api_url:
        typer.echo(f"this machine works for the pool {', '.join(info.pools)}; `samfleet pools` shows it")
        return
    typer.echo(f"dashboard  {info.api_url}/dashboard/  (`samfleet open` logs a browser in)")
    typer.echo(f"API        {info.api_url}  (documentation: {info.api_url}/docs)")
    typer.echo(f"API key    {StateDir(info.state_dir).api_key_file}")
