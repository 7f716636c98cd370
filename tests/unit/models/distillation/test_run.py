"""Whole distillations on six tiny images, and the hosted result."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fixtures.images.encoded_images import encoded, gradient
from fixtures.models.onnx_pairs import unknown_again
from fixtures.models.tiny_distillation import PLAN, tiny_order
from samfleet.errors import SamfleetError
from samfleet.variants.catalogue import VARIANTS, add_variants_of, get_variant
from samfleet.variants.task import Prompt, PromptsParameters
from samfleet.variants.weights.pull import pull
from samfleet.wire.messages import SegmentRequest
from samfleet_models.distillation.checkpoint import DistillCheckpointDiffers, DistillCheckpointUnreadable
from samfleet_models.distillation.plan import Plan
from samfleet_models.distillation.run import CHECKPOINT_FILE, DistillAmpNeedsCuda, distill
from samfleet_models.serving.engine import Engine, EngineSettings

REQUEST = SegmentRequest(
    encoded(gradient(60, 48)), PromptsParameters(), (Prompt(box=(5.0, 5.0, 40.0, 30.0)), Prompt(((9.0, 9.0),), (1,)))
)
Host = Callable[[Path, str], None]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """A function that makes the student's tiny architecture known and adds the variants of a folder."""

    def host(out: Path, student: str) -> None:
        unknown_again(monkeypatch, "mine")
        tiny = tiny_order(out.parent, student).student
        monkeypatch.setitem(VARIANTS, student, tiny)
        add_variants_of(out)

    return host


@pytest.mark.parametrize("student", ["squeezesam", "nanosam_resnet18"])
def test_the_result_is_hosted_as_an_own_variant(student: str, tmp_path: Path, host: Host) -> None:
    order = tiny_order(tmp_path, student)
    lines: list[str] = []
    path = distill(order, replace(PLAN, epochs=3, learning_rate=1e-3), lines.append)
    report = json.loads((order.out / "report.json").read_text())
    losses = [epoch["validation_loss"] for epoch in report["epochs"]]
    assert min(losses[1:]) < losses[0]
    assert report["baselines"].keys() == {"filled_box", "whole_image", "median_disc"}
    assert lines[-1].startswith("epoch 3: training loss ")
    host(order.out, student)
    record = get_variant("mine")
    assert record.provenance["origin_teacher"] == "tiny_mobile_sam"
    assert record.origin["images"] == "4 for training, 2 for validation"
    assert (record.weights_licence, record.parity) == ("Apache-2.0", "unverified")
    engine = Engine(record, pull(record, tmp_path / "weights"), EngineSettings(device="cpu"))
    ((_, reply),) = engine.segment([REQUEST])
    assert reply.report.error_code is None
    assert [mask.prompt_index for mask in reply.masks] == [0, 1]
    engine.close()
    assert path == order.out / "mine.yaml"


@pytest.mark.heavy
@pytest.mark.parametrize("student", ["mobile_sam", "repvit_sam", "efficientvit_sam_l0", "sam_vit_b"])
def test_other_families_learn_embeddings(student: str, tmp_path: Path) -> None:
    order = tiny_order(tmp_path, student)
    distill(order, replace(PLAN, epochs=5))
    losses = [epoch["validation_loss"] for epoch in json.loads((order.out / "report.json").read_text())["epochs"]]
    assert losses[-1] < losses[0]


def test_a_student_keeps_the_teacher_s_decoder(tmp_path: Path) -> None:
    order = tiny_order(tmp_path, "repvit_sam")
    distill(order, replace(PLAN, epochs=1))
    best = torch.load(order.out / CHECKPOINT_FILE, weights_only=True)["best"]
    teacher = torch.load(order.checkpoint, weights_only=True)
    heads = [key for key in teacher if key.startswith(("prompt_encoder.", "mask_decoder."))]
    assert heads
    assert all(torch.equal(best[key], teacher[key]) for key in heads)


def test_equal_orders_give_equal_files_whether_answers_are_cached_or_not(tmp_path: Path) -> None:
    plan = replace(PLAN, epochs=1)
    orders = [
        replace(tiny_order(tmp_path, "mobile_sam", out), cache_bytes=size) for out, size in (("a", 0), ("b", 2**30))
    ]
    files = []
    for order in orders:
        distill(order, plan)
        files.append((order.out / "mine.safetensors").read_bytes())
    assert files[0] == files[1]
    assert not list((orders[0].out / "teacher-cache").glob("*/*.bin"))
    assert list((orders[1].out / "teacher-cache").glob("*/*.bin"))


def test_another_configuration_does_not_continue_a_checkpoint(tmp_path: Path) -> None:
    order, plan = tiny_order(tmp_path), replace(PLAN, epochs=1)
    distill(order, plan)
    for other in (replace(plan, seed=5), replace(plan, learning_rate=1e-4)):
        with pytest.raises(DistillCheckpointDiffers):
            distill(order, other)
    (order.images / "a.png").write_bytes((order.images / "b.png").read_bytes())
    with pytest.raises(DistillCheckpointDiffers):
        distill(order, plan)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    order = tiny_order(tmp_path)
    order.out.mkdir()
    (order.out / CHECKPOINT_FILE).write_bytes(b"half a file")
    with pytest.raises(DistillCheckpointUnreadable, match=r"checkpoint\.pt: .*; remove the file to start again"):
        distill(order, PLAN)


def test_mixed_precision_needs_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(DistillAmpNeedsCuda):
        distill(tiny_order(tmp_path), replace(PLAN, amp=True))


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"seed": -1},
        {"validation": 1.0},
        {"samples_per_image": 0},
        {"grid": 65},
        {"patience": 0},
    ],
)
def test_a_setting_out_of_range_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(SamfleetError, match="write a number in the range") as raised:
        Plan(**wrong)  # type: ignore[arg-type]  # of several types
    assert raised.value.code == "distill_plan_invalid"
