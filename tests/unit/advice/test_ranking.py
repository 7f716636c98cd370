"""Ranking, without a database: verdicts, statuses and order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from samfleet.advice.candidates import Candidate
from samfleet.advice.figures import Evidence, Figure, judge
from samfleet.advice.question import AdviceInvalid, Question, task_of
from samfleet.advice.ranking import rank
from samfleet.advice.words import figure_words

BOX = {"kind": "prompts", "prompt": "box"}
HERE: Evidence = "measured here"


def latency(value: float, *, spread: float | None = 0.05, **more: Any) -> Figure:
    low, high = (None, None) if spread is None else (value * (1 - spread), value * (1 + spread))
    return replace(Figure("latency", value, HERE, 100, low=low, high=high), **more)


def miou(value: float, **more: Any) -> Figure:
    return replace(Figure("miou", value, HERE, 200, "objects"), **more)


def candidate(variant: str, *figures: Figure, execution: str = "fp32") -> Candidate:
    return Candidate(variant, execution, BOX, {figure.measure: figure for figure in figures})


def order(question: Question, *candidates: Candidate) -> list[tuple[str, str]]:
    return [(one.candidate.variant, one.status) for one in rank(question, candidates)]


@pytest.mark.parametrize(
    ("figure", "limit", "verdict"),
    [
        (latency(40), 50, "meets"),
        (latency(49), 50, "cannot tell"),
        (latency(51), 50, "cannot tell"),
        (latency(60), 50, "fails"),
        (latency(10, spread=None), 50, "cannot tell"),
        (latency(40), None, "meets"),
        (Figure("latency"), 50, "unknown"),
        (Figure("latency"), None, "unknown"),
        (latency(40, evidence="published"), 50, "would meet"),
        (latency(60, evidence="published"), 50, "would fail"),
        (latency(40, evidence="published"), None, "unknown"),
        (Figure("images_per_hour", 100, HERE, low=95, high=105), 100, "cannot tell"),
        (Figure("images_per_hour", 100, HERE, low=95, high=105), 95, "meets"),
        (Figure("images_per_hour", 100, HERE, low=95, high=105), 106, "fails"),
        (miou(0.74), 0.74, "meets"),
        (miou(0.7399), 0.74, "fails"),
        (miou(0.76, evidence="published"), 0.74, "would meet"),
        (miou(0.75, evidence="measured elsewhere"), 0.74, "meets"),
        (Figure("memory", 2**30, HERE), 2**30, "meets"),
        (Figure("memory", 2**30, "counted"), 2**31, "unknown"),
        (Figure("memory", 2**31, "counted"), 2**30, "would fail"),
    ],
)
def test_a_limit_is_met_only_by_measurements_beyond_their_uncertainty(
    figure: Figure, limit: float | None, verdict: str
) -> None:
    assert judge(figure, limit) == verdict


def test_measured_precede_possible_precede_excluded() -> None:
    question = Question(task="box", min_miou=0.74)
    found = order(
        question,
        candidate("published_high", miou(0.80, evidence="published")),
        candidate("fails", miou(0.70)),
        candidate("good", miou(0.75)),
        candidate("better", miou(0.76)),
        candidate("unknown"),
        candidate("published_low", miou(0.60, evidence="published")),
    )
    assert found == [
        ("better", "recommended"),
        ("good", "fits"),
        ("published_high", "possible"),
        ("unknown", "possible"),
        ("published_low", "possible"),
        ("fails", "excluded"),
    ]


def test_fewer_unknowns_precede_better_figures() -> None:
    question = Question(task="box", min_miou=0.7, max_latency_ms=50)
    one_open = candidate("one_open", miou(0.71))
    two_open = candidate("two_open", miou(0.90, evidence="published"))
    assert [name for name, _ in order(question, two_open, one_open)] == ["one_open", "two_open"]


def test_equal_quality_is_decided_by_speed() -> None:
    slow, fast = candidate("a_slow", miou(0.7504), latency(40)), candidate("b_fast", miou(0.7496), latency(20))
    assert order(Question(task="box"), slow, fast)[0] == ("b_fast", "recommended")
    clearly = candidate("c_clearly", miou(0.752), latency(90))
    assert order(Question(task="box"), slow, fast, clearly)[0] == ("c_clearly", "recommended")


@pytest.mark.parametrize(
    ("prefer", "first"), [("speed", "fast"), ("quality", "exact"), ("memory", "small"), ("cost", "cheap")]
)
def test_the_preference_decides_among_those_that_fit(prefer: Any, first: str) -> None:
    def of(name: str, *, ms: float = 50, iou: float = 0.7, memory: float = 2e9, cost: float = 1.0) -> Candidate:
        others = (Figure("memory", memory, HERE), Figure("cost", cost, HERE, low=cost, high=cost))
        return candidate(name, latency(ms), miou(iou), *others)

    all_four = (of("fast", ms=10), of("exact", iou=0.8), of("small", memory=1e9), of("cheap", cost=0.1))
    assert order(Question(task="box", prefer=prefer), *all_four)[0] == (first, "recommended")


def test_without_constraints_an_unmeasured_variant_is_not_recommended() -> None:
    published = candidate("published", miou(0.9, evidence="published"))
    (found,) = rank(Question(task="box"), [published])
    assert found.status == "possible"
    assert found.reason == "possible, but unknown: mIoU: 0.900 (200 objects, published)"


def test_a_figure_at_the_edge_of_its_interval_recommends_nothing() -> None:
    (found,) = rank(Question(task="box", max_latency_ms=50, prefer="speed"), [candidate("edge", latency(49))])
    assert found.status == "possible"
    assert found.reason.startswith("possible, but cannot tell: latency: 49 ms (46.5 ms to 51.5 ms, 100 images")


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"exclude_licences": ("AGPL",)}, {"fastsam_x": "excluded", "edgesam": "recommended"}),
        ({"exclude_licences": ("agpl-3.0", "S-Lab")}, {"fastsam_x": "excluded", "edgesam": "excluded"}),
        ({"commercial": True}, {"edgesam": "excluded", "fastsam_x": "recommended"}),
        ({}, {"edgesam": "recommended", "fastsam_x": "fits"}),
    ],
)
def test_licences_of_code_and_weights_exclude(fields: Any, verdict: dict[str, str]) -> None:
    both = (candidate("edgesam", miou(0.8)), candidate("fastsam_x", miou(0.7)))
    assert dict(order(Question(task="box", **fields), *both)) == verdict


def test_the_licence_of_an_unhosted_variant_is_unknown() -> None:
    (found,) = rank(Question(task="box", commercial=True), [candidate("from_another_site", miou(0.8))])
    assert found.status == "possible"
    assert "the licences of from_another_site are unknown here" in found.reason


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "box", "min_ar": 0.3}, "min_ar contradicts task box, which is measured by miou and ap"),
        ({"task": "everything", "min_ap": 0.3}, "min_ap contradicts task everything"),
        ({"task": "box", "min_miou": 74}, "min_miou is 74; it is a fraction from 0 to 1"),
        ({"max_latency_ms": 0}, "max_latency_ms is 0; it must be a number above 0"),
        ({"max_latency_ms": float("nan")}, "max_latency_ms is nan"),
        ({"max_memory_bytes": -1}, "max_memory_bytes is -1"),
        ({"currency": "usd"}, "currency 'usd' is not three capital letters"),
    ],
)
def test_contradictory_questions_are_refused(fields: Any, message: str) -> None:
    with pytest.raises(AdviceInvalid, match=message):
        Question(**fields)


@pytest.mark.parametrize(
    ("parameters", "task"),
    [
        ({"kind": "prompts", "prompt": "box"}, "box"),
        ({"kind": "prompts", "prompt": "center_point"}, "center_point"),
        ({"kind": "prompts", "prompt": "scribble"}, None),
        ({"kind": "everything", "points_per_side": 16}, "everything"),
        ({"kind": "everything", "sampler": "object_aware", "boxes_from": "detector"}, "everything"),
        ({"kind": "everything", "sampler": "object_aware", "boxes_from": "detections"}, "detections"),
        ({"kind": "everything", "sampler": "object_aware", "boxes_from": "annotations"}, None),
        ({"kind": "video"}, None),
        ("a text of another site", None),
    ],
)
def test_runs_belong_to_tasks_by_their_prompts(parameters: Any, task: str | None) -> None:
    assert task_of(parameters) == task


def test_words_of_figures_have_interval_n_and_evidence() -> None:
    assert figure_words(latency(40, where="h200-lab", evidence="measured at site")) == (
        "40 ms (38 ms to 42 ms, 100 images, measured at site h200-lab)"
    )
    assert figure_words(Figure("cost", unit="USD", where="no price is set")) == "unknown (no price is set)"
    assert figure_words(Figure("memory", 3 * 2**29, HERE, 5)) == "1.50 GiB (5 images, measured here)"
