"""Ranking of candidates: constraints first, then unknowns, then the preferred figure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from samfleet.advice.candidates import Candidate
from samfleet.advice.figures import MEASURES, Check, judge
from samfleet.advice.licence_rules import check_licence
from samfleet.advice.question import Question
from samfleet.advice.words import check_words

Status = Literal["recommended", "fits", "possible", "excluded"]
ORDER: tuple[Status, ...] = ("fits", "possible", "excluded")
QUALITY_DIGITS = 3  # candidates whose quality differs by less are ranked by speed
OPEN = frozenset({"unknown", "cannot tell", "would meet", "would fail"})


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its checks. `reason` explains a status other than `recommended` and `fits`."""

    candidate: Candidate
    checks: tuple[Check, ...]
    status: Status

    @property
    def open(self) -> tuple[Check, ...]:
        """Checks that no measurement decides."""
        return tuple(check for check in self.checks if check.verdict in OPEN)

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.verdict == "fails")

    @property
    def reason(self) -> str:
        if self.failed:
            return f"excluded by {'; '.join(map(check_words, self.failed))}"
        if self.open:
            return f"possible, but {'; '.join(f'{check.verdict}: {check_words(check)}' for check in self.open)}"
        return ""


def rank(question: Question, candidates: Iterable[Candidate]) -> list[Ranked]:
    """Return the candidates, the best first. The first one is `recommended` if measurements meet all its constraints.

    Candidates that meet all constraints by measurements come first, then those with the fewest open ones, then the
    excluded ones. The preferred figure decides among equals, measured before published; then speed, then the name.
    """
    found = [_checked(question, candidate) for candidate in candidates]
    found.sort(key=lambda one: _sort_key(question, one))
    if found and found[0].status == "fits":
        found[0] = Ranked(found[0].candidate, found[0].checks, "recommended")
    return found


def limits_of(question: Question) -> dict[str, float]:
    """Return the set limits by measure."""
    limits = {
        "latency": question.max_latency_ms,
        "images_per_hour": question.min_images_per_hour,
        "cost": question.max_cost_per_1000,
        "memory": question.max_memory_bytes,
        "miou": question.min_miou,
        "ap": question.min_ap,
        "ar": question.min_ar,
    }
    return {name: value for name, value in limits.items() if value is not None}


def checks_of(question: Question, candidate: Candidate) -> tuple[Check, ...]:
    limits = limits_of(question)
    licence = check_licence(question, candidate.record, candidate.variant)
    found = [licence] if licence else []
    for measure in dict.fromkeys((*limits, question.objective)):
        figure, limit = candidate.figure(measure), limits.get(measure)
        found.append(Check(measure, judge(figure, limit), figure, limit))
    return tuple(found)


def _checked(question: Question, candidate: Candidate) -> Ranked:
    checks = checks_of(question, candidate)
    verdicts = {check.verdict for check in checks}
    status: Status = "excluded" if "fails" in verdicts else "possible" if verdicts & OPEN else "fits"
    return Ranked(candidate, checks, status)


def _sort_key(question: Question, one: Ranked) -> tuple[float | str, ...]:
    would_fail = sum(check.verdict == "would fail" for check in one.open)
    return (
        ORDER.index(one.status),
        len(one.failed),
        len(one.open) + would_fail,
        *_merit(one.candidate, question.objective),
        *_merit(one.candidate, question.quality if question.prefer == "speed" else "latency"),
        one.candidate.variant,
        one.candidate.execution,
        one.candidate.task_in_words,
        one.candidate.pool or "",
        one.candidate.site or "",
    )


def _merit(candidate: Candidate, measure: str) -> tuple[float, float]:
    """Return a sort key of a figure: measured before published before unknown, then the value, best first."""
    figure = candidate.figure(measure)
    if figure.value is None:
        return 2, math.inf
    value = round(figure.value, QUALITY_DIGITS) if not MEASURES[measure].at_most else figure.value
    return (0 if figure.measured else 1), (value if MEASURES[measure].at_most else -value)


def recommended(ranked: Sequence[Ranked]) -> Ranked | None:
    return ranked[0] if ranked and ranked[0].status == "recommended" else None
