"""Advice on stdout: a table of candidates, the settings of the recommended one, and the next measurements."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from samfleet.advice.figures import MEASURES
from samfleet.advice.words import value_words
from samfleet_cli import tables
from samfleet_cli.listing import Column, Form, print_list

MOST_ROWS = 10  # if nothing was measured
Candidate = Mapping[str, Any]


def print_advice(answer: Mapping[str, Any], form: Form, *, every: bool) -> None:
    """Print an answer of `GET /v1/reports/advise`. Without `every`, a table leaves out variants that were not measured
    on the hardware.
    """
    candidates = answer["candidates"]
    if form.as_json:
        sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
        return
    if form.plain:
        columns = [*_names(), *_figures(tuple(MEASURES), plain=True), *_notes()]
        print_list(columns, candidates, form, whole=candidates, empty="")
        return
    out = tables.console()
    out.print(answer["summary"], markup=False, style="bold")
    for note in answer["notes"]:
        out.print(f"- {note}", markup=False)
    measured_here = [one for one in candidates if one["hardware_id"] is not None]
    shown = candidates if every else measured_here or candidates[:MOST_ROWS]
    measured = [name for name in MEASURES if any(_value(one, name) is not None for one in shown)]
    more = len(candidates) - len(shown)
    note = f"{more} more were not measured on this hardware; --all shows them" if more else ""
    columns = [*_names(), *_figures(measured), *_notes()]
    print_list(columns, shown, form, whole=candidates, empty="no variant takes this task", note=note)
    _print_rest(answer)


def _print_rest(answer: Mapping[str, Any]) -> None:
    out = tables.console()
    if settings := answer["settings"]:
        out.print("\nsettings of the first:", markup=False)
        for name, value in settings["environment"].items():
            out.print(f"  {name}={value}", markup=False, soft_wrap=True)
        out.print(f"  {settings['command']}", markup=False, soft_wrap=True)
        out.print(f"  POST /v1/jobs {json.dumps(settings['job'], ensure_ascii=False)}", markup=False, soft_wrap=True)
    if answer["steps"]:
        out.print("\nmeasure next:", markup=False)
    for step in answer["steps"]:
        out.print(f"  {step['command']}\n    {step['reason']}", markup=False, soft_wrap=True)
    if answer["steps_left_out"]:
        out.print(f"  and {answer['steps_left_out']} more", markup=False)
    if survey := answer["survey"]:
        out.print("\nor all at once:", markup=False)
        out.print(f"  {survey['command']}\n    {survey['reason']}", markup=False, soft_wrap=True)


def _names() -> list[Column]:
    return [
        Column("rank", lambda one: one["rank"]),
        Column("variant", lambda one: one["variant"]),
        Column("execution", lambda one: one["execution"]),
        Column("hardware", lambda one: one["hardware"], folds=True),
        Column("site", lambda one: one["site"]),
        Column("task", lambda one: one["task_in_words"], folds=True),
        Column("status", lambda one: one["status"]),
    ]


def _figures(names: Sequence[str], *, plain: bool = False) -> list[Column]:
    return [_column(name, plain=plain) for name in names if name != "licence"]


def _column(name: str, *, plain: bool) -> Column:
    return Column(MEASURES[name].title, lambda one: _value(one, name) if plain else _cell(one, name))


def _notes() -> list[Column]:
    return [Column("why", lambda one: one["reason"] or None, folds=True)]


def _figure(candidate: Candidate, name: str) -> Mapping[str, Any] | None:
    return next((figure for figure in candidate["figures"] if figure["measure"] == name), None)


def _value(candidate: Candidate, name: str) -> float | None:
    figure = _figure(candidate, name)
    return figure["value"] if figure else None


def _cell(candidate: Candidate, name: str) -> str | None:
    """Format a figure; one that was not measured on this hardware is marked."""
    figure = _figure(candidate, name)
    if figure is None or figure["value"] is None:
        return None
    marks = {"published": " published", "measured elsewhere": " elsewhere", "counted": " or more"}
    words = value_words(name, figure["value"], figure["unit"] if name == "cost" else "")
    return (words.removesuffix(f" {MEASURES[name].unit}") if name == "images_per_hour" else words) + marks.get(
        figure["evidence"], ""
    )
