"""The answer of a sweep on stdout: its points, the Pareto front, and the settings to use."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from samfleet_cli import tables
from samfleet_cli.listing import Column, Form, print_list
from samfleet_cli.tuning.figures import Figures, choose, closest, front, number_words
from samfleet_cli.tuning.points import Point
from samfleet_cli.tuning.search import Result, measured_of
from samfleet_cli.tuning.session import Tuned

Row = Mapping[str, Any]


def answer_of(tuned: Tuned) -> dict[str, Any]:
    """Return the answer as JSON. `points` has all points in the order of their measurement."""
    wish, measured = tuned.wish, measured_of(tuned.results)
    best, kept = choose(measured, wish.constraints, wish.prefer), front(measured)
    near = closest(measured, wish.constraints)[0]
    return {
        "variant": wish.variant,
        "sweep": tuned.sweep,
        "hardware": tuned.hardware,
        "task": dict(wish.task),
        "constraints": asdict(wish.constraints),
        "prefer": wish.prefer,
        "interrupted": tuned.interrupted,
        "baseline": asdict(tuned.baseline),
        "points": [_row(tuned, result, on_front=result.point in kept) for result in tuned.results.values()],
        "front": [asdict(point) for point in kept],
        "recommended": _settings(wish.variant, best) if best else None,
        "closest": None if best else {**asdict(near), "breaks": wish.constraints.broken(measured[near])},
    }


def print_answer(answer: Mapping[str, Any], form: Form) -> None:
    if form.as_json:
        sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
        return
    points = answer["points"]
    if form.plain:
        print_list(_columns(points, every=True), points, form, whole=points, empty="")
        return
    out = tables.console()
    out.print(f"{answer['variant']} on {answer['hardware']}", markup=False, style="bold")
    measured = sorted((row for row in points if row["status"] == "measured"), key=_rank)
    counts = ", ".join(f"{number} {status}" for status, number in _counts(points).items())
    print_list(_columns(points), measured, form, whole=points, empty="", note=f"points: {counts}; --json has all")
    _print_settings(answer)


def _print_settings(answer: Mapping[str, Any]) -> None:
    out = tables.console()
    if recommended := answer["recommended"]:
        out.print(f"\nsettings to use, best by {answer['prefer']}:", markup=False)
        for name, value in recommended["environment"].items():
            out.print(f"  {name}={value}", markup=False, soft_wrap=True)
        out.print("set these in the environment of `samfleet up`, or in `.env` for containers", markup=False)
        return
    near = answer["closest"]
    point = Point(**{name: near[name] for name in near if name != "breaks"})
    out.print(f"\nno point meets all constraints; the closest is {point.words}:", markup=False)
    for broken in near["breaks"]:
        out.print(f"  {broken}", markup=False)


def _row(tuned: Tuned, result: Result, *, on_front: bool) -> dict[str, Any]:
    figures = result.figures
    return {
        "point": asdict(result.point),
        "words": result.point.words,
        "status": result.status,
        "reason": result.reason,
        "figures": asdict(figures) if figures else None,
        "on_front": on_front,
        "breaks": tuned.wish.constraints.broken(figures) if figures else [],
        "is_baseline": result.point == tuned.baseline,
        "jobs": list(tuned.jobs.get(result.point.key, ())),
    }


def _settings(variant: str, point: Point) -> dict[str, Any]:
    """Return the variables that differ from unset ones."""
    return {**asdict(point), "environment": {name: text for name, text in point.environment(variant).items() if text}}


def _rank(row: Row) -> tuple[bool, float]:
    return not row["on_front"], -row["figures"]["images_per_second"]


def _counts(points: list[Row]) -> dict[str, int]:
    statuses = [row["status"] for row in points]
    return {status: statuses.count(status) for status in dict.fromkeys(statuses)}


def _columns(points: list[Row], *, every: bool = False) -> list[Column]:
    has_energy = any(row["figures"] and row["figures"]["energy_j"] is not None for row in points)
    columns = [
        Column("execution", lambda row: row["point"]["execution"]),
        Column("threads", lambda row: row["point"]["threads"] or "default"),
        Column("batch", lambda row: row["point"]["batch_size"]),
        Column("in flight", lambda row: row["point"]["in_flight"]),
        Column("images/s", lambda row: _number(row, "images_per_second")),
        Column("p50 ms", lambda row: _number(row, "p50_ms")),
        Column("p95 ms", lambda row: _number(row, "p95_ms")),
        Column("MiB", lambda row: f"{row['figures']['memory_bytes'] / 2**20:.0f}" if row["figures"] else None),
        Column("masks", _masks),
        *([Column("J/image", lambda row: _number(row, "energy_j"))] if has_energy or every else []),
        Column("note", _note, folds=True),
    ]
    return [*columns, Column("status", lambda row: row["status"]), Column("jobs", _jobs)] if every else columns


def _number(row: Row, name: str) -> str | None:
    value = row["figures"][name] if row["figures"] else None
    return None if value is None else number_words(value)


def _masks(row: Row) -> str | None:
    """Describe the masks beside the baseline's."""
    if row["figures"] is None:
        return None
    figures = Figures(**row["figures"])
    return "the same" if figures.same_masks else f"{100 * figures.agreement:.2f} % found"


def _note(row: Row) -> str:
    notes = [
        "front" if row["on_front"] else "",
        "baseline" if row["is_baseline"] else "",
        row["reason"] or "",
        *row["breaks"],
    ]
    return "; ".join(note for note in notes if note)


def _jobs(row: Row) -> str:
    return " ".join(row["jobs"])
