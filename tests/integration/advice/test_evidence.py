"""Evidence of an answer: sites, newest measurements, datasets, published hardware, and nothing measured at all."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, text

from fixtures.api.advised_tenant import CPU, DATASET, H200, L4, SITE, Run, annotate, measure_for_advice, record
from fixtures.api.measured_tenant import DEVICE
from fixtures.api.running_api import Api, Tenant
from samfleet.db.models import Hardware, RunQuality, WorkerHeartbeat
from samfleet.db.session import transaction
from samfleet.jobs.purge import remove_job


def ask(tenant: Tenant, **question: Any) -> dict[str, Any]:
    answer = tenant.http.get("/v1/reports/advise", params=question)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(tenant: Tenant, **question: Any) -> tuple[int, str, str]:
    answer = tenant.http.get("/v1/reports/advise", params=question)
    problem = answer.json()
    return answer.status_code, problem["code"], problem["detail"]


def figure(candidate: dict[str, Any], measure: str) -> dict[str, Any]:
    (found,) = [one for one in candidate["figures"] if one["measure"] == measure]
    return dict(found)


def of(answer: dict[str, Any], variant: str) -> dict[str, Any]:
    (found,) = [one for one in answer["candidates"] if one["variant"] == variant]
    return dict(found)


def test_measurements_of_another_site_are_named_as_such(advised: Tenant) -> None:
    answer = ask(advised, task="box", hardware="H200", min_miou=0.75)
    first = answer["candidates"][0]
    assert (first["variant"], first["site"], first["status"]) == ("repvit_sam", SITE, "recommended")
    assert figure(first, "miou")["evidence"] == "measured at site"
    assert figure(first, "latency")["evidence_in_words"].endswith(f"measured at site {SITE}")
    memory = figure(first, "memory")
    assert (memory["evidence"], memory["value"]) == ("measured at site", int(1.7 * 2**30))
    assert "pools" not in answer["settings"]["job"]
    hint = next(one for one in of(answer, "mobile_sam")["hints"] if "on other hardware" in one["source"])
    assert hint["measure"] == "latency"


def test_unmeasured_memory_is_unknown_and_not_met(api: Api, tenant: Tenant, folder: Path) -> None:
    measure_for_advice(api, tenant, folder, (Run("repvit_sam", H200, 5, 0.752, 1.7, site=SITE),))
    question = {"task": "box", "hardware": "H200", "max_memory_bytes": 8 * 2**30}
    assert ask(tenant, **question)["recommended"]
    with transaction(api.engine) as session:  # as imported from a site whose rollups had no memory
        session.execute(
            text(
                "UPDATE rollups SET peak_memory_bytes = NULL, memory_images = 0 FROM report_series AS series "
                "WHERE series.id = series_id AND tenant_id = :tenant"
            ),
            {"tenant": tenant.id},
        )
    answer = ask(tenant, **question)
    assert not answer["recommended"]
    assert figure(of(answer, "repvit_sam"), "memory")["evidence"] == "counted"
    assert of(answer, "repvit_sam")["reason"].startswith("possible, but unknown: memory: ")


def test_memory_outlives_its_job(api: Api, tenant: Tenant, folder: Path) -> None:
    measure_for_advice(api, tenant, folder, (Run("mobile_sam", CPU, 40, 0.735, 1.0),))
    (job,) = tenant.http.get("/v1/jobs").json()["items"]
    assert tenant.http.delete(f"/v1/jobs/{job['id']}").status_code == 204
    remove_job(api.engine, api.store, uuid.UUID(job["id"]), grace=timedelta(0), deadline=time.monotonic() + 60)
    memory = figure(of(ask(tenant, task="box", dataset=DATASET), "mobile_sam"), "memory")
    assert (memory["evidence"], memory["value"]) == ("measured here", 2**30)


def test_a_published_machine_has_published_evidence_only(advised: Tenant) -> None:
    answer = ask(advised, task="box", hardware="RTX 3090", max_latency_ms=30, prefer="speed")
    assert (answer["recommended"], answer["settings"]) == (False, None)
    assert answer["hardware"] == "RTX 3090, by published figures only"
    assert {one["hardware_id"] for one in answer["candidates"]} == {None}
    verdicts = {one["variant"]: one["checks"][0]["verdict"] for one in answer["candidates"]}
    assert (verdicts["efficientvit_sam_l0"], verdicts["sam_vit_h"], verdicts["fastsam_s"]) == (
        "would meet",
        "would fail",
        "unknown",
    )
    assert answer["candidates"][0]["variant"] == "efficientvit_sam_l0"
    assert figure(answer["candidates"][0], "latency")["evidence_in_words"] == (
        "published on RTX 3090, arXiv 2410.04960 table 4"
    )
    everything = ask(advised, task="everything", hardware="RTX 3090", max_latency_ms=30)
    assert {one["checks"][0]["verdict"] for one in everything["candidates"]} == {"unknown"}  # its time is of one box


def test_a_question_about_the_reachable_pools(api: Api, advised: Tenant) -> None:
    nobody = ask(advised, task="box", hardware="this")
    assert not nobody["recommended"]
    assert any("no reachable pool has computed an image yet" in note for note in nobody["notes"])
    with transaction(api.engine) as session:
        query = select(Hardware.fingerprint_sha256).where(Hardware.device_name == L4["device_name"]).limit(1)
        device = {**DEVICE, "fingerprint_sha256": session.scalars(query).one()}
        detail = {"servers": [{"address": "triton:8001", "ready": True, "devices": [device]}]}
        now = datetime.now(UTC)
        state = {"started_at": now, "seen_at": now, "triton_ready": True, "detail": detail}
        session.add(WorkerHeartbeat(worker="advised@host", pool="other", **state))
    answer = ask(advised, task="box", hardware="this")
    assert {one["hardware"] for one in answer["candidates"] if one["hardware_id"]} == {"NVIDIA L4"}
    with transaction(api.engine) as session:
        session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.worker == "advised@host"))


@pytest.mark.parametrize(
    ("question", "code", "detail"),
    [
        ({"hardware": "NVIDIA L5"}, "hardware_unknown", "did you mean NVIDIA L4"),
        ({"hardware": "NVIDIA"}, "hardware_ambiguous", "NVIDIA H200; NVIDIA L4"),
        ({"dataset": "shelve"}, "dataset_unknown", "did you mean shelves?"),
        ({"min_ar": 0.3}, "advice_invalid", "contradicts task box"),
        ({"min_miou": 74}, "advice_invalid", "fraction from 0 to 1"),
        ({"exclude_licence": "GPL-9"}, "advice_invalid", "the licences of the variants are AGPL-3.0"),
        ({"currency": "usd"}, "advice_invalid", "ISO 4217"),
        ({"prefer": "beauty"}, "payload_invalid", ""),
        ({"min_mIoU": 0.7}, "payload_invalid", ""),
    ],
)
def test_bad_questions_are_refused(advised: Tenant, question: dict[str, Any], code: str, detail: str) -> None:
    status, found, words = refused(advised, task="box", **question)
    assert (status, found) == (422, code)
    assert detail in words


def test_a_price_in_another_currency_is_unknown(advised: Tenant) -> None:
    answer = ask(advised, task="box", hardware="L4", max_cost_per_1000=1, currency="EUR")
    assert not answer["recommended"]
    assert of(answer, "sam_vit_b")["reason"] == (
        "possible, but unknown: cost of 1000 images: unknown (the price is in USD), wanted at most 1 EUR"
    )
    assert answer["steps"][0]["command"].endswith("PER_HOUR --currency EUR")


def test_nothing_measured_says_what_to_measure(tenant: Tenant) -> None:
    answer = ask(tenant, task="box", min_miou=0.74)
    assert answer["summary"].startswith("nothing has been measured for the task box yet")
    assert (answer["dataset"], answer["recommended"], answer["settings"]) == (None, False, None)
    assert len(answer["steps"]) == 5
    assert answer["steps"][0]["command"].startswith("samfleet segment FOLDER --variant ")
    assert {one["status"] for one in answer["candidates"]} == {"possible"}


def test_an_unmeasured_dataset_is_no_error(tenant: Tenant, folder: Path) -> None:
    annotate(folder)
    body = {"source": "directory", "directory": str(folder), "name": "empty shelves"}
    tenant.http.post("/v1/datasets", json=body).raise_for_status()
    answer = ask(tenant, task="box", dataset="empty shelves")
    assert answer["dataset"] == "empty shelves"
    assert not answer["recommended"]


def test_figures_are_of_one_dataset_and_the_newest_version(api: Api, tenant: Tenant, folder: Path) -> None:
    old, new = Run("mobile_sam", CPU, 80, 0.5, 1.0), Run("mobile_sam", CPU, 40, 0.735, 1.0)
    (folder / "a").mkdir()
    dataset = measure_for_advice(api, tenant, folder / "a", (old,))
    with transaction(api.engine) as session:
        session.execute(
            text(
                "UPDATE rollups SET hour = hour - interval '1 day' FROM report_series AS series "
                "WHERE series.id = series_id AND tenant_id = :tenant"
            ),
            {"tenant": tenant.id},
        )
        session.execute(
            text("UPDATE report_series SET code_version = '0.0.1' WHERE tenant_id = :tenant"), {"tenant": tenant.id}
        )
    record(api, tenant, dataset, new)
    answer = ask(tenant, task="box")
    first = answer["candidates"][0]
    assert (first["older"], first["code_version"] == "0.0.1") == (1, False)
    assert figure(first, "miou")["value"] == pytest.approx(0.735)
    assert figure(first, "latency")["value"] == pytest.approx(50, rel=0.02)
    assert answer["notes"][0].startswith(f"all figures are of the dataset {DATASET}: it has the most annotated objects")


def test_quality_whose_interval_spans_the_limit_decides_nothing(api: Api, tenant: Tenant, folder: Path) -> None:
    dataset = measure_for_advice(api, tenant, folder, ())
    run = record(api, tenant, dataset, Run("mobile_sam", CPU, 40, 0.735, 1.0))
    with transaction(api.engine) as session:
        replicates = [0.735 + 0.001 * number for number in range(-50, 51)]
        row = {"metric": "miou", "area": "all", "max_detections": 1, "value": 0.735, "instances": 32}
        session.add(RunQuality(run_id=uuid.UUID(run), replicates=replicates, **row))
    close = of(ask(tenant, task="box", min_miou=0.72), "mobile_sam")
    measured = figure(close, "miou")
    assert (measured["low"], measured["high"]) == (pytest.approx(0.6875), pytest.approx(0.7825))
    assert (close["status"], close["reason"].startswith("possible, but cannot tell: mIoU")) == ("possible", True)
    assert of(ask(tenant, task="box", min_miou=0.68), "mobile_sam")["status"] == "recommended"
    assert of(ask(tenant, task="box", min_miou=0.79), "mobile_sam")["status"] == "excluded"


def test_quality_in_fp32_counts_on_another_machine_but_not_in_another_precision(
    api: Api, tenant: Tenant, folder: Path
) -> None:
    fast = {**L4, "precision": "bf16"}
    runs = (
        Run("mobile_sam", CPU, 40, 0.735, 1.0),
        Run("mobile_sam", L4, 12, 0.735, 1.0),
        Run("mobile_sam", fast, 4, 0.7, 1.0),
    )
    measure_for_advice(api, tenant, folder, runs)
    with transaction(api.engine) as session:
        session.execute(
            text(
                "UPDATE rollups SET instances = 0, iou_sum = 0 FROM report_series AS series "
                "JOIN hardware ON hardware.id = hardware_id WHERE series.id = series_id AND tenant_id = :tenant "
                "AND device_kind = 'cuda'"
            ),
            {"tenant": tenant.id},
        )
    answer = ask(tenant, task="box", hardware="L4", min_miou=0.73)
    by_execution = {one["execution"]: one for one in answer["candidates"] if one["hardware_id"]}
    there = figure(by_execution["fp32"], "miou")
    assert (there["evidence"], there["where"]) == ("measured elsewhere", "on another machine")
    assert by_execution["fp32"]["status"] == "recommended"
    assert figure(by_execution["bf16"], "miou")["evidence"] == "published"
    assert by_execution["bf16"]["status"] == "possible"


def test_other_tenants_see_nothing(advised: Tenant, other_tenant: Tenant) -> None:
    answer = ask(other_tenant, task="box")
    assert {figure["evidence"] for one in answer["candidates"] for figure in one["figures"]} <= {
        "published",
        "counted",
        "unknown",
    }
    assert ask(advised, task="box")["recommended"]
