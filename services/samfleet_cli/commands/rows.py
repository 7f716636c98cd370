"""Output of commands that print the API's objects as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from samfleet_cli.listing import Form


def print_rows(found: Sequence[dict[str, Any]], names: Sequence[str], form: Form, empty: str) -> None:
    """Print a list of objects with these fields as columns. Fields that end in `_at` are times."""
    from samfleet_cli.listing import Column, print_list

    columns = [
        Column(name.removesuffix("_at").replace("_", " "), partial(_value, name), is_id=name == "id") for name in names
    ]
    print_list(columns, found, form, whole=found, empty=empty)


def _value(name: str, item: dict[str, Any]) -> object:
    value = item.get(name)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return datetime.fromisoformat(value) if value and name.endswith("_at") else value


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
