"""`samfleet doctor`: list missing requirements of this machine, each with the command that installs it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from samfleet_cli.commands.options import flag

if TYPE_CHECKING:
    from samfleet_cli.local_stack.settings import StackSettings
    from samfleet_cli.local_stack.state import StackInfo
    from samfleet_cli.local_stack.triton_checks import TritonChoice

_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "missing": "[red]missing[/]"}


def doctor(as_json: Annotated[bool, flag("--json", help="Print JSON.")] = False) -> None:
    """Check this machine's requirements for `samfleet up`. Exit code 1 if something is missing."""
    from samfleet_cli.local_stack.doctor import examine
    from samfleet_cli.local_stack.probes import Probes
    from samfleet_cli.local_stack.settings import StackSettings
    from samfleet_cli.local_stack.stack import running_stack

    stack = StackSettings()
    ours = running_stack(stack.state_dir)
    checks = examine(
        Probes(),
        state_dir=stack.state_dir.resolve(),
        fixed_ports={} if ours else stack.fixed_ports(),
        triton=_triton_choice(stack, ours),
    )
    complete = all(check.state != "missing" for check in checks)
    if as_json:
        typer.echo(json.dumps({"ok": complete, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        from rich.console import Console
        from rich.markup import escape

        console = Console(soft_wrap=True, emoji=False)
        for check in checks:
            console.print(f"{_MARKS[check.state]:<16} {check.name}: {escape(check.found)}")
            if check.remedy:
                console.print(f"         → {escape(check.remedy)}")
        console.print(
            "This machine meets all requirements." if complete else "Install what is missing, then try again."
        )
    if not complete:
        raise typer.Exit(1)


def _triton_choice(stack: StackSettings, running: StackInfo | None) -> TritonChoice:
    """Return the servers of the running stack, else those of SAMFLEET_POOLS, else what `up` would start."""
    from samfleet.config import Settings
    from samfleet_cli.local_stack.layout import StateDir
    from samfleet_cli.local_stack.triton_checks import TritonChoice
    from samfleet_cli.local_stack.triton_container import image_of

    settings = Settings()
    own_secret = StateDir(stack.state_dir).triton_secret_file
    secret = settings.triton_secret
    if running and secret is None and own_secret.exists():
        secret = own_secret.read_text(encoding="utf-8").strip()
    elsewhere = settings.pools if "pools" in settings.model_fields_set else {}
    return TritonChoice(stack.triton, image_of(stack), running.pools if running else elsewhere, secret)
