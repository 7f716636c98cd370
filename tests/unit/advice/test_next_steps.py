"""Next measurements: which ones could change the answer, in which order, with which commands."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from samfleet.advice.candidates import Candidate
from samfleet.advice.figures import Evidence, Figure
from samfleet.advice.hints import hints_of, published_quality, weights_bytes
from samfleet.advice.machines import Machine
from samfleet.advice.measurements import Measurement
from samfleet.advice.next_steps import MOST_STEPS, Place, Step, next_steps
from samfleet.advice.question import Question
from samfleet.advice.ranking import rank

BOX = {"kind": "prompts", "prompt": "box", "from": "annotations", "multimask": False}
HERE: Evidence = "measured here"
GPU = Machine("NVIDIA L4", "cuda", frozenset({uuid.UUID(int=1)}))
CPU = Machine("Test CPU", "cpu", frozenset({uuid.UUID(int=2)}))


def measured(variant: str, ms: float, iou: float, machine: Machine = CPU, **more: Any) -> Candidate:
    figures = {
        "latency": Figure("latency", ms, HERE, 100, low=ms * 0.95, high=ms * 1.05),
        "miou": Figure("miou", iou, HERE, 200, "objects"),
    }
    (hardware,) = machine.ids
    now = datetime(2026, 11, 28, tzinfo=UTC)
    run = Measurement(variant, "fp32", hardware, "default", "local", "1", "ab", BOX, now, 100, 0, 50, figures)
    candidate = Candidate(
        variant, "fp32", BOX, figures, hints_of("box", variant), machine, hardware, "default", "local", run
    )
    return replace(candidate, **more)


def unmeasured(variant: str, machine: Machine = CPU) -> Candidate:
    hint, weights = published_quality("box", variant), weights_bytes(variant)
    figures = {"miou": Figure("miou", hint.value, "published")} if hint else {}
    if weights:
        figures["memory"] = Figure("memory", weights, "counted")
    return Candidate(variant, "fp32", BOX, figures, hints_of("box", variant), machine)


def steps(question: Question, *candidates: Candidate, place: Place | None = None, accepted: Any = ()) -> list[Step]:
    return next_steps(question, rank(question, candidates), place or Place(), accepted)[0]


def test_only_variants_with_better_published_quality_are_worth_measuring() -> None:
    best = measured("mobile_sam", 40, 0.735)
    found = steps(
        Question(task="box"),
        best,
        unmeasured("nanosam_resnet18"),
        unmeasured("repvit_sam"),
        unmeasured("efficientvit_sam_l0"),
    )
    assert [step.variant for step in found] == ["efficientvit_sam_l0", "repvit_sam"]
    assert found[1].reason.startswith(
        "not measured here; its published mIoU is 0.751, that of mobile_sam 0.734; about "
    )


def test_operations_decide_what_could_be_faster() -> None:
    best = measured("mobile_sam", 40, 0.735)
    question = Question(task="box", prefer="speed")
    assert steps(question, best, unmeasured("sam_vit_h")) == []
    found = steps(question, measured("sam_vit_b", 400, 0.76), unmeasured("mobile_sam"), unmeasured("sam_vit_h"))
    assert [step.variant for step in found] == ["mobile_sam"]
    assert "its number of operations is" in found[0].reason


def test_a_variant_that_would_break_a_constraint_is_not_measured() -> None:
    best = measured("mobile_sam", 40, 0.735)
    heavy, large = unmeasured("efficientvit_sam_xl1"), unmeasured("sam_vit_h")
    assert [step.variant for step in steps(Question(task="box"), best, heavy, large)] == [
        "efficientvit_sam_xl1",
        "sam_vit_h",
    ]
    fast = Question(task="box", max_latency_ms=60)
    assert steps(fast, best, heavy, large) == []
    with_memory = replace(best, figures={**best.figures, "memory": Figure("memory", 2**30, HERE)})
    small = Question(task="box", max_memory_bytes=2 * 2**30)
    assert [step.variant for step in steps(small, with_memory, heavy, large)] == ["efficientvit_sam_xl1"]
    assert steps(Question(task="box", min_miou=0.79), best, large) == []


def test_commands_name_the_dataset_the_pool_and_the_licence() -> None:
    place = Place("5f0c", "/data/my pictures", {"Test CPU": "laptops"})
    best = measured("mobile_sam", 40, 0.735)
    (step,) = steps(Question(task="box"), best, unmeasured("edgesam"), place=place)
    assert step.command == (
        "samfleet segment '/data/my pictures' --variant edgesam --task box --annotations INSTANCES.json --pool laptops "
        "--out out"
    )
    assert step.job == {
        "dataset_id": "5f0c",
        "variants": ["edgesam"],
        "task": {"kind": "prompts", "prompt": "box", "from": "annotations"},
        "pools": ["laptops"],
    }
    assert step.reason.endswith("accept S-Lab-1.0 first")
    (accepted,) = steps(Question(task="box"), best, unmeasured("edgesam"), place=place, accepted={"S-Lab-1.0"})
    assert "accept" not in accepted.reason


def test_an_undecided_figure_asks_for_more_images_first() -> None:
    found = steps(Question(task="box", max_latency_ms=50), measured("mobile_sam", 49, 0.73), unmeasured("tinysam"))
    assert [step.variant for step in found] == ["mobile_sam", "tinysam"]
    assert found[0].reason.startswith("more images decide latency: 49 ms")


def test_a_gate_is_suggested_on_a_gpu_within_the_gain_of_a_precision() -> None:
    question = Question(task="box", max_latency_ms=10)
    (gate,) = steps(question, measured("mobile_sam", 25, 0.735, GPU))
    assert gate.command == "samfleet variants gate mobile_sam --precision bf16"
    assert "bf16 may meet it" in gate.reason
    assert steps(question, measured("mobile_sam", 25, 0.735, CPU)) == []
    assert steps(question, measured("mobile_sam", 90, 0.735, GPU)) == []
    too_bad = Question(task="box", max_latency_ms=10, min_miou=0.9)
    assert steps(too_bad, measured("mobile_sam", 25, 0.735, GPU)) == []
    both = (measured("mobile_sam", 25, 0.735, GPU), measured("mobile_sam", 15, 0.735, GPU, execution="bf16"))
    assert steps(question, *both) == []


def test_a_missing_price_is_a_step() -> None:
    unpriced = measured("mobile_sam", 25, 0.735, GPU)
    unpriced = replace(
        unpriced, figures={**unpriced.figures, "cost": Figure("cost", unit="USD", where="no price is set")}
    )
    (price,) = steps(Question(task="box", max_cost_per_1000=1), unpriced)
    assert price.command == f"samfleet report price {uuid.UUID(int=1)} PER_HOUR --currency USD"


def test_steps_are_few_and_the_rest_is_counted() -> None:
    question = Question(task="box")
    names = [
        "sam_vit_h",
        "repvit_sam",
        "edgesam",
        "efficient_sam_s",
        "efficientvit_sam_l0",
        "efficientvit_sam_xl1",
        "tinysam",
    ]
    ranked = rank(question, map(unmeasured, names))
    found, more = next_steps(question, ranked, Place(), ())
    assert (len(found), more) == (MOST_STEPS, len(names) - MOST_STEPS)
    assert found[0].variant == "efficientvit_sam_xl1"
