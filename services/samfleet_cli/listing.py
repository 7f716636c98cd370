"""Lists on stdout: a table for people, tab-separated lines or JSON for programs. Ids and names are never wrapped."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from samfleet.client.schemas import SHOWN_ID
from samfleet.errors import InvalidInput
from samfleet_cli import tables

_FOLDED_TO = 14  # minimum width of wrapped columns


class OutputChosenTwice(InvalidInput):
    """Only one output format is possible; give one of --json, --plain and --csv."""

    code = "output_chosen_twice"


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `value` maps an item to a string, number, datetime, bool or None. On a narrow terminal, ids are
    shortened and columns with `folds` are wrapped.
    """

    title: str
    value: Callable[[Any], object]
    is_id: bool = False
    folds: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """Requested output format: a table, unless one of these is set."""

    as_json: bool = False
    plain: bool = False

    def __post_init__(self) -> None:
        if self.as_json and self.plain:
            raise OutputChosenTwice


def print_list(
    columns: Sequence[Column], items: Sequence[Any], form: Form, *, whole: Sequence[Any], empty: str, note: str = ""
) -> None:
    """Print a list. `whole` has the items for JSON. `empty` is written to stderr instead of an empty table, `note`
    below a table.
    """
    if form.as_json:
        sys.stdout.write(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    elif form.plain:
        for item in items:
            sys.stdout.write("\t".join(_plain(column.value(item)) for column in columns) + "\n")
    elif not items:
        sys.stderr.write(f"{empty}\n")
    else:
        _print_table(columns, items)
        sys.stderr.write(f"{note}\n" if note else "")


def _print_table(columns: Sequence[Column], items: Sequence[Any]) -> None:
    console = tables.console()
    cells = [[_shown(column.value(item)) for item in items] for column in columns]
    if console.is_terminal and tables.width_of(_widths(columns, cells, folded=True)) > console.width:
        pairs = zip(columns, cells, strict=True)
        cells = [[cell[:SHOWN_ID] for cell in own] if column.is_id else own for column, own in pairs]
    least = tables.width_of(_widths(columns, cells, folded=console.is_terminal))
    console.width = max(console.width, least)
    titles, folded = [column.title for column in columns], [column.title for column in columns if column.folds]
    rows = list(zip(*cells, strict=True))
    console.print(tables.list_table(titles, _widths(columns, cells), rows, folded=folded))


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]], *, folded: bool = False) -> list[int]:
    """Return the widths of unwrapped columns; with `folded`, their minimum widths."""
    found = []
    for column, own in zip(columns, cells, strict=True):
        width = max(*map(len, column.title.split()), *map(len, own))
        found.append(min(width, _FOLDED_TO) if folded and column.folds else width)
    return found


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _plain(value: object) -> str:
    """Format a field without tabs and line breaks. Missing values are empty, times are in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return " ".join(text.split()) if any(character in text for character in "\t\n\r") else text
