"""Options of `samfleet jobs edit` and `samfleet datasets edit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from samfleet_cli.commands.options import labels_of

NewName = Annotated[
    str | None, typer.Option("--name", help="Another name; '' removes a job's name.", show_default=False)
]
NewNotes = Annotated[str | None, typer.Option("--notes", help="Other notes; '' removes them.", show_default=False)]
RemovedLabels = Annotated[
    list[str] | None,
    typer.Option("--remove-label", metavar="KEY", help="Remove this label; may be repeated.", show_default=False),
]


def changes_of(
    name: str | None,
    labels: Sequence[str] | None,
    removed: Sequence[str] | None,
    notes: str | None,
    **more: Any,
) -> dict[str, Any]:
    """Return the body of a PATCH request; `more` are further fields. A command without any change is wrong usage."""
    changes: dict[str, Any] = {
        field: value or None for field, value in (("name", name), ("notes", notes)) if value is not None
    }
    if merged := {**dict.fromkeys(removed or ()), **(labels_of(labels) or {})}:
        changes["labels"] = merged
    changes |= {field: value for field, value in more.items() if value is not None}
    if not changes:
        named = "".join(f", --{field.replace('_', '-')}" for field in more)
        raise typer.BadParameter(f"give at least one of --name, --label, --remove-label, --notes{named}")
    return changes
