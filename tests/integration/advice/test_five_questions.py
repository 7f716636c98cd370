"""Five questions to the advice, each compared with a hand check of the image results in SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from fixtures.api.advised_tenant import GIB, IMAGES, PRICE
from fixtures.api.running_api import Api, Tenant
from samfleet.db.session import read_only

# One row for each variant, machine, execution and task that this site measured, from the rows of single images.
BY_HAND = text(
    """
    SELECT runs.variant, hardware.device_name AS machine, coalesce(hardware.facts->>'precision', 'fp32') AS execution,
        runs.task->>'kind' AS kind, (runs.task->>'points_per_side')::int AS points,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY coalesce(preprocess_ms, 0) + coalesce(encode_ms, 0)
            + coalesce(decode_ms, 0) + coalesce(postprocess_ms, 0)) FILTER (WHERE NOT warmup) AS p50_ms,
        sum(coalesce(encode_ms, 0) + coalesce(decode_ms, 0) + coalesce(postprocess_ms, 0))
            FILTER (WHERE NOT warmup) / count(*) FILTER (WHERE NOT warmup) AS device_ms,
        max(coalesce(peak_reserved_bytes, peak_memory_bytes)) AS peak_bytes,
        sum(quality_iou_sum) / sum(quality_instances) AS miou,
        (SELECT value FROM run_quality WHERE run_quality.run_id = runs.id AND metric = 'ar') AS ar
    FROM image_results JOIN runs ON runs.id = run_id JOIN jobs ON jobs.id = job_id
        JOIN hardware ON hardware.id = hardware_id
    WHERE tenant_id = :tenant AND device_name <> 'NVIDIA H200'
    GROUP BY runs.id, hardware.id
    """
)


@dataclass(frozen=True)
class Asked:
    tenant: Tenant
    by_hand: list[Any]

    def ask(self, **question: Any) -> dict[str, Any]:
        answer = self.tenant.http.get("/v1/reports/advise", params=question)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def hand(self, machine: str, kind: str = "prompts") -> list[Any]:
        return [row for row in self.by_hand if (row.machine, row.kind) == (machine, kind)]


@pytest.fixture
def asked(api: Api, advised: Tenant) -> Asked:
    with read_only(api.engine) as session:
        return Asked(advised, list(session.execute(BY_HAND, {"tenant": advised.id})))


def best(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer["recommended"], answer["summary"]
    first: dict[str, Any] = answer["candidates"][0]
    assert first["status"] == "recommended"
    return first


def figures(candidate: dict[str, Any]) -> dict[str, float]:
    return {figure["measure"]: figure["value"] for figure in candidate["figures"]}


def statuses(answer: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(one["variant"], one["execution"]): one["status"] for one in answer["candidates"]}


def test_no_agpl_at_least_0_74_box_miou_under_2_gib_on_a_cpu(asked: Asked) -> None:
    answer = asked.ask(task="box", hardware="cpu", exclude_licence="AGPL", min_miou=0.74, max_memory_bytes=2 * GIB)
    agpl = {"mobilesamv2", "fastsam_s", "fastsam_x"}
    fitting = [
        row
        for row in asked.hand("Test CPU")
        if row.variant not in agpl and row.miou >= 0.74 and row.peak_bytes <= 2 * GIB
    ]
    expected = max(fitting, key=lambda row: row.miou)
    assert {row.variant for row in fitting} == {"edgesam", "repvit_sam"}
    first = best(answer)
    assert first["variant"] == expected.variant == "edgesam"
    assert figures(first)["miou"] == pytest.approx(expected.miou)
    assert figures(first)["memory"] == expected.peak_bytes
    assert figures(first)["latency"] == pytest.approx(expected.p50_ms, rel=0.01)
    found = statuses(answer)
    assert found["repvit_sam", "fp32"] == "fits"
    assert found["mobilesamv2", "fp32"] == found["sam_vit_b", "fp32"] == found["mobile_sam", "fp32"] == "excluded"
    reasons = {one["variant"]: one["reason"] for one in answer["candidates"]}
    assert "excluded: AGPL-3.0" in reasons["mobilesamv2"]
    assert reasons["sam_vit_b"].startswith("excluded by memory: 3.00 GiB")
    assert reasons["mobile_sam"].startswith("excluded by mIoU: 0.735 (32 objects, measured here)")
    assert answer["settings"]["environment"] == {"SAMFLEET_ACCEPT_LICENSES": "S-Lab-1.0"}


def test_commercial_use_changes_the_answer(asked: Asked) -> None:
    answer = asked.ask(task="box", hardware="Test CPU", commercial=True, min_miou=0.74, max_memory_bytes=2 * GIB)
    by_hand = [row for row in asked.hand("Test CPU") if row.miou >= 0.74 and row.peak_bytes <= 2 * GIB]
    no_commerce = {"edgesam", "edgesam_3x", "edgesam_bilinear"}
    expected = max((row for row in by_hand if row.variant not in no_commerce), key=lambda row: row.miou)
    assert best(answer)["variant"] == expected.variant == "mobilesamv2"  # AGPL-3.0 allows commercial use
    assert statuses(answer)["edgesam", "fp32"] == "excluded"


def test_the_fastest_on_the_gpu_below_20_ms(asked: Asked) -> None:
    answer = asked.ask(task="box", hardware="L4", max_latency_ms=20, prefer="speed")
    expected = min((row for row in asked.hand("NVIDIA L4") if row.p50_ms <= 20), key=lambda row: row.p50_ms)
    first = best(answer)
    assert (first["variant"], first["execution"]) == (expected.variant, expected.execution) == ("mobile_sam", "bf16")
    (check,) = first["checks"]
    figure = check["figure"]
    assert figure["value"] == pytest.approx(expected.p50_ms, rel=0.01)
    assert figure["low"] < expected.p50_ms < figure["high"] <= 20
    assert figure["n"] == IMAGES - 1
    assert answer["settings"]["environment"] == {"SAMFLEET_EXECUTION": "mobile_sam=bf16"}
    assert answer["settings"]["job"]["pools"] == ["other"]
    assert statuses(answer)["repvit_sam", "fp32"] == "excluded"


def test_the_best_masks_for_one_cent_a_thousand_images(asked: Asked) -> None:
    answer = asked.ask(task="box", hardware="L4", max_cost_per_1000=0.0075)
    costs = {
        (row.variant, row.execution): (row.device_ms / 3_600_000 * 1000 * PRICE, row.miou)
        for row in asked.hand("NVIDIA L4")
    }
    cost, key = min((cost, key) for key, (cost, miou) in costs.items() if miou > 0.75 and cost <= 0.0075)
    first = best(answer)
    assert (first["variant"], first["execution"]) == key == ("repvit_sam", "fp32")
    assert figures(first)["cost"] == pytest.approx(cost)
    assert statuses(answer)["sam_vit_b", "fp32"] == "excluded"


def test_everything_in_half_a_second_with_a_recall_of_0_3(asked: Asked) -> None:
    answer = asked.ask(task="everything", hardware="cpu", max_latency_ms=500, min_ar=0.3)
    fitting = [row for row in asked.hand("Test CPU", "everything") if row.p50_ms <= 500 and row.ar >= 0.3]
    expected = max(fitting, key=lambda row: row.ar)
    first = best(answer)
    assert first["variant"] == expected.variant == "mobile_sam"
    assert (
        first["task_in_words"] == f"everything, {expected.points} points per side" == "everything, 16 points per side"
    )
    assert answer["settings"]["job"]["task"] == {"kind": "everything", "points_per_side": 16}
    assert "--points-per-side 16" in answer["settings"]["command"]


def test_nothing_meets_an_impossible_question(asked: Asked) -> None:
    answer = asked.ask(task="box", hardware="L4", min_miou=0.99)
    assert not any(row.miou >= 0.99 for row in asked.hand("NVIDIA L4"))
    assert not answer["recommended"]
    assert answer["settings"] is None
    assert {one["status"] for one in answer["candidates"] if one["hardware_id"]} == {"excluded"}
