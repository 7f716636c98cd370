"""The table of commands, of which each is imported and built when it is first used.

typer builds every command with all its options at each start, which takes longer than most commands run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

# By name: the module in this folder, and the function or the `typer.Typer` in it. The help shows them in this order.
COMMANDS = {
    "up": "up:up",
    "down": "up:down",
    "status": "up:status",
    "open": "open_dashboard:open_dashboard",
    "doctor": "doctor:doctor",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "segment": "segment:segment",
    "predict": "predict:predict",
    "demo": "demo:demo",
    "distill": "distill:distill",
    "compare": "compare:compare",
    "advise": "advise:advise",
    "audit": "keys:audit",
    "deletions": "history:deletions",
    "pools": "pools:pools",
    "storage": "storage:storage",
    "mcp": "mcp:mcp",
    "jobs": "jobs:app",
    "exports": "exports:app",
    "reviews": "reviews:app",
    "datasets": "datasets:app",
    "prompts": "prompts:app",
    "keys": "keys:keys",
    "tenants": "keys:tenants",
    "report": "report:app",
    "survey": "survey:app",
    "tune": "tune:tune",
    "variants": "variants:app",
    "webhooks": "webhooks:app",
    "worker": "worker:app",
}


@cache
def build_command(name: str) -> Any:
    """Import and build one of `COMMANDS`. Later calls in this process return the same object."""
    module, _, attribute = COMMANDS[name].partition(":")
    found = getattr(import_module(f"{__package__}.{module}"), attribute)
    if isinstance(found, typer.Typer):
        command = typer.main.get_group(found)
        command.name = name
        return command
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


class _BuiltOnDemand(Mapping[str, Any]):
    """`COMMANDS`, with the built command as the value."""

    def __getitem__(self, name: str) -> Any:
        return build_command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS


class RootGroup(TyperGroup):
    """The command `samfleet`, whose subcommands are `COMMANDS`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _BuiltOnDemand()  # type: ignore[assignment]  # nothing adds a command

    def get_command(self, ctx: object, cmd_name: str) -> Any:  # noqa: ARG002 - the signature of typer
        """Return the built command; None if there is none of this name."""
        return build_command(cmd_name) if cmd_name in COMMANDS else None

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002
        """Return the names without building the commands."""
        return list(COMMANDS)
