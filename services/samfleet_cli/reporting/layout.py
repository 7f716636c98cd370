"""Layout of a report as tables that fit a terminal. Each table starts with the columns that identify a row; the figures
are spread over as many tables as needed. Numbers are never wrapped or truncated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from samfleet.client.schemas import SHOWN_ID

if TYPE_CHECKING:
    from rich.table import Table

# Columns that mostly have the same value in all rows; that value is then printed once, above the tables.
CONTEXT = (
    "site", "code_version", "task_in_words", "parameters", "parameters_b", "dataset", "a", "b", "a_in_words",
    "b_in_words", "failures", "price_per_hour", "currency", "quality",
)  # fmt: skip
SIZES = ("_small", "_medium", "_large")  # suffixes of twelve quality columns that only --csv and --json have
DIGESTS = ("parameters", "parameters_b")
DIGEST, SHA256 = 12, 64  # characters: of a shown digest, of a whole one
FIRST_FIGURES = ("n", "n_a")
SHOWN_DIGITS = 4
FOLDED_AT = 16  # names are wrapped to this width before figures move to another table
GAP = 2
TITLES = {  # "device", because it may be a CPU
    "task_in_words": "task",
    "a_in_words": "a",
    "b_in_words": "b",
    "images_per_gpu_hour": "images per device hour",
    "gpu_busy_share": "device busy share",
}
UNPRINTABLE = (
    "\N{REPLACEMENT CHARACTER}"  # replaces control characters in names of datasets and machines, which others choose
)
Row = Mapping[str, Any]


def lay_out(rows: Sequence[Row], width: int, parameters: Mapping[str, Any] | None = None) -> tuple[str, list[Table]]:
    """Return a line with the values that all rows share, and tables of the rest.

    `parameters` maps digests to the parameters of a report; digests that are shown are followed by what distinguishes
    them.
    """
    from samfleet_cli import tables

    shown, common = told_apart(rows)
    shown = explain_digests(shown, parameters or {})
    columns = [name for name in shown[0] if name not in common]
    begin = next((at for at, name in enumerate(columns) if name in FIRST_FIGURES), 0)
    cells = {name: [cell_words(row[name]) for row in shown] for name in columns}
    context = ", ".join(f"{_title(name)} {cell_words(value)}" for name, value in common.items())
    found = []
    for figures in _packed(columns[begin:], cells, width - _reserved(columns[:begin], cells)):
        block = [*columns[:begin], *figures]
        widths = [None if _folds(name, cells) and name not in figures else _widest(name, cells) for name in block]
        lines = list(zip(*(cells[name] for name in block), strict=True))
        found.append(tables.measures_table([_title(name) for name in block], widths, lines, begin))
    return context, found


def told_apart(rows: Sequence[Row]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows for the tables and the shared values. Machine ids are shown only if names are ambiguous; empty
    columns are hidden.
    """
    names, ids = ({row.get(name) for row in rows} for name in ("hardware", "hardware_id"))
    hidden = {"hardware_id"} if len(names) == len(ids) else set()
    hidden |= {name for name in rows[0] if name.endswith(SIZES) or all(row[name] is None for row in rows)}
    hidden |= _explained(rows)
    sides = {"a", "b"} if "a_in_words" in rows[0] else set()
    hidden |= sides
    shown = [{name: value for name, value in row.items() if name not in hidden} for row in rows]
    for row in shown:
        if row.get("hardware_id"):
            row["hardware_id"] = row["hardware_id"][:SHOWN_ID]
    context = [name for name in CONTEXT if name in rows[0] and name not in sides]
    common = {name: rows[0][name] for name in context if len({row[name] for row in rows}) == 1}
    return shown, {name: value for name, value in common.items() if value is not None}


def _explained(rows: Sequence[Row]) -> set[str]:
    """Return digest columns to hide, because the task in words distinguishes the rows as well. Only --json has the
    parameters behind a digest.
    """
    if "task_in_words" not in rows[0]:
        return set()
    others = [name for name in ("variant", "hardware_id", "dataset", "task_in_words") if name in rows[0]]
    by_words = {tuple(row[name] for name in others) for row in rows}
    by_digests = {(*(row[name] for name in others), row["parameters"], row.get("parameters_b")) for row in rows}
    kinds = {"task"} if "dominated" in rows[0] else set()  # pareto's column; the task in words is more precise
    return kinds | ({"parameters", "parameters_b"} if len(by_words) == len(by_digests) else set())


def explain_digests(rows: Sequence[Row], parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Append to each digest the parameters that differ between the digests of its column."""
    explained = [dict(row) for row in rows]
    for column in DIGESTS:
        digests = {row[column] for row in rows if column in row}
        flat = {digest: dict(_leaves(parameters.get(digest) or {})) for digest in digests}
        apart = sorted(
            {name for one in flat.values() for name in one if len({repr(f.get(name)) for f in flat.values()}) > 1}
        )
        for row in explained:
            if apart and column in row:
                words = ", ".join(f"{name.replace('_', ' ')} {_short(flat[row[column]].get(name))}" for name in apart)
                row[column] = f"{row[column]}: {words}"
    return explained


def _leaves(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the parameters outside the task, which is named in words."""
    for name, value in parameters.items():
        if isinstance(value, Mapping) and name != "task":
            yield from _leaves(value)
        elif name != "task":
            yield name, value


def _short(value: Any) -> str:
    return value[:DIGEST] if isinstance(value, str) and len(value) == SHA256 else cell_words(value)


def _reserved(names: Sequence[str], cells: Mapping[str, Sequence[str]]) -> int:
    return sum((FOLDED_AT if _folds(name, cells) else _widest(name, cells)) + GAP for name in names)


def _folds(name: str, cells: Mapping[str, Sequence[str]]) -> bool:
    return _widest(name, cells) > FOLDED_AT


def _packed(names: Sequence[str], cells: Mapping[str, Sequence[str]], room: int) -> list[list[str]]:
    """Split columns into blocks that fit `room`, with at least one column each."""
    blocks: list[list[str]] = []
    left = 0
    for name in names:
        needed = _widest(name, cells) + GAP
        if needed > left:
            blocks.append([])
            left = room
        blocks[-1].append(name)
        left -= needed
    return blocks


def _widest(name: str, cells: Mapping[str, Sequence[str]]) -> int:
    """Return the width of a column. Headings are wrapped between words."""
    return max(*(len(cell) for cell in cells[name]), *(len(word) for word in _title(name).split()))


def _title(name: str) -> str:
    return TITLES.get(name, name).replace("_", " ")


def cell_words(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 10**SHOWN_DIGITS else f"{value:.{SHOWN_DIGITS}g}"
    return "".join(character if character.isprintable() else UNPRINTABLE for character in str(value))
