"""A report as tables that fit a terminal. What a row is of stands first in each of them, and the figures go over as
many tables as they need: no number is ever broken or cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from samfleet_cli.client.schemas import SHOWN_ID

if TYPE_CHECKING:
    from rich.table import Table

# What is mostly the same in all rows; then it stands once, above the tables.
CONTEXT = (
    "site", "code_version", "task_in_words", "parameters", "parameters_b", "dataset", "a", "b", "failures",
    "price_per_hour", "currency", "quality",
)  # fmt: skip
SIZES = ("_small", "_medium", "_large")  # twelve columns of quality that only --csv and --json have
FIRST_FIGURES = ("n", "n_a")
SHOWN_DIGITS = 4
FOLDED_AT = 16  # names may be folded to this before figures go to another table
GAP = 2
TITLES = {  # it may be a CPU
    "task_in_words": "task",
    "images_per_gpu_hour": "images per device hour",
    "gpu_busy_share": "device busy share",
}
UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"  # for what would steer the terminal: others name datasets and machines
Row = Mapping[str, Any]


def lay_out(rows: Sequence[Row], width: int) -> tuple[str, list[Table]]:
    """What all rows have in common, and tables of the rest."""
    from samfleet_cli import tables

    shown, common = _told_apart(rows)
    columns = [name for name in shown[0] if name not in common]
    begin = next((at for at, name in enumerate(columns) if name in FIRST_FIGURES), 0)
    cells = {name: [_cell(row[name]) for row in shown] for name in columns}
    context = ", ".join(f"{_title(name)} {_cell(value)}" for name, value in common.items())
    found = []
    for figures in _packed(columns[begin:], cells, width - _reserved(columns[:begin], cells)):
        block = [*columns[:begin], *figures]
        widths = [None if _folds(name, cells) and name not in figures else _widest(name, cells) for name in block]
        lines = list(zip(*(cells[name] for name in block), strict=True))
        found.append(tables.measures_table([_title(name) for name in block], widths, lines, begin))
    return context, found


def _told_apart(rows: Sequence[Row]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows as the tables have them, and what stands above. Ids of machines are shown where names do not do, and
    figures that no row has are not.
    """
    names, ids = ({row.get(name) for row in rows} for name in ("hardware", "hardware_id"))
    hidden = {"hardware_id"} if len(names) == len(ids) else set()
    hidden |= {name for name in rows[0] if name.endswith(SIZES) or all(row[name] is None for row in rows)}
    hidden |= _explained(rows)
    shown = [{name: value for name, value in row.items() if name not in hidden} for row in rows]
    for row in shown:
        if row.get("hardware_id"):
            row["hardware_id"] = row["hardware_id"][:SHOWN_ID]
    common = {name: rows[0][name] for name in CONTEXT if name in rows[0] and len({row[name] for row in rows}) == 1}
    return shown, {name: value for name, value in common.items() if value is not None}


def _explained(rows: Sequence[Row]) -> set[str]:
    """Digests, where the words beside them tell the rows apart as well; only --json says what a digest stands for."""
    if "task_in_words" not in rows[0]:
        return set()
    others = [name for name in ("variant", "hardware_id", "dataset", "task_in_words") if name in rows[0]]
    by_words = {tuple(row[name] for name in others) for row in rows}
    by_digests = {(*(row[name] for name in others), row["parameters"], row.get("parameters_b")) for row in rows}
    kinds = {"task"} if "dominated" in rows[0] else set()  # pareto's, which the words say more exactly
    return kinds | ({"parameters", "parameters_b"} if len(by_words) == len(by_digests) else set())


def _reserved(names: Sequence[str], cells: Mapping[str, Sequence[str]]) -> int:
    return sum((FOLDED_AT if _folds(name, cells) else _widest(name, cells)) + GAP for name in names)


def _folds(name: str, cells: Mapping[str, Sequence[str]]) -> bool:
    return _widest(name, cells) > FOLDED_AT


def _packed(names: Sequence[str], cells: Mapping[str, Sequence[str]], room: int) -> list[list[str]]:
    """Neighbours that fit together; at least one in each."""
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
    """Headings are folded between words."""
    return max(*(len(cell) for cell in cells[name]), *(len(word) for word in _title(name).split()))


def _title(name: str) -> str:
    return TITLES.get(name, name).replace("_", " ")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 10**SHOWN_DIGITS else f"{value:.{SHOWN_DIGITS}g}"
    return "".join(sign if sign.isprintable() else UNPRINTABLE for sign in str(value))
