"""AP and AR in reports: figures of evaluated runs, averaged over the runs of a row."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import Outcomes, carry_out, failed, new_job, segmented
from samfleet.db.session import read_only, transaction
from samfleet.jobs.outcomes import ImageOutcome, ShardImage
from samfleet.quality.protocol import Figure
from samfleet.quality.repository import replace_figures
from samfleet.reports.figures import FIGURES
from samfleet.reports.pareto import QUALITY
from samfleet.rollups.measures import STAGE_SQL
from samfleet.wire.stages import IMAGE

Rows = list[dict[str, Any]]


def machine(threads: int, *, encode_ms: float = 4.0, alone: int = 4) -> Outcomes:
    """Outcomes with the images after the first `alone` ones on a second machine of twice as many threads."""

    def outcome(image: ShardImage) -> ImageOutcome:
        made = segmented(image, encode_ms=encode_ms)
        assert made.report is not None
        mine = threads if image.image_id <= alone else 2 * threads
        facts = {"device_kind": "cpu", "device_name": "A CPU", "threads": mine}
        return replace(made, report=replace(made.report, hardware=facts))

    return outcome


def evaluated(
    api: Api, tenant: Tenant, folder: Path, values: Mapping[str, tuple[float, int]], outcomes: Outcomes = segmented,
    **fields: Any,
) -> str:  # fmt: skip
    """Record a run whose evaluation has these figures, by their names in reports, and return its id."""
    job = new_job(tenant, folder, **fields)
    carry_out(api, job, outcomes)
    figures = [Figure(*FIGURES[name], value, instances) for name, (value, instances) in values.items()]
    run_id: str = job["runs"][0]["id"]
    with transaction(api.engine) as session:
        replace_figures(session, uuid.UUID(run_id), figures)
    return run_id


def rows(tenant: Tenant, report: str = "quality", **params: Any) -> Rows:
    answer = tenant.http.get(f"/v1/reports/{report}", params=params)
    assert answer.status_code == 200, answer.text
    found: Rows = answer.json()["rows"]
    return found


def move_hours(api: Api, run_id: str, days: int) -> None:
    """Move a run to 10 March; with `days`, move the part of its second machine so many days later."""
    with transaction(api.engine) as session:
        session.execute(
            text(
                "UPDATE rollups SET hour = '2026-03-10 12:00+00'::timestamptz + :days * interval '1 day' "
                "FROM report_series AS series WHERE series.id = series_id AND series.run_id = :run "
                "AND (:days = 0 OR series.id = (SELECT max(id) FROM report_series WHERE run_id = :run))"
            ),
            {"days": days, "run": run_id},
        )


def test_a_figure_is_the_mean_of_runs_weighted_by_their_objects(api: Api, tenant: Tenant, folder: Path) -> None:
    evaluated(api, tenant, folder, {"ar_1000": (0.5, 30), "ar_1000_small": (0.1, 3), "ap": (0.4, 30)})
    evaluated(api, tenant, folder, {"ar_1000": (0.8, 10), "ap": (0.6, 10), "ap50": (0.7, 10)})
    (row,) = rows(tenant)
    assert (row["runs_evaluated"], row["instances"], row["miou"]) == (2, 12, 0.75)
    found = {name: value for name, value in row.items() if name in FIGURES and value is not None}
    assert found == pytest.approx({"ar_1000": 0.575, "ar_1000_small": 0.1, "ap": 0.45, "ap50": 0.7})
    assert list(row)[-len(FIGURES) :] == list(FIGURES)


def test_a_run_on_two_machines_counts_on_each_and_once_in_total(api: Api, tenant: Tenant, folder: Path) -> None:
    evaluated(api, tenant, folder, {"ap": (0.7, 40)}, machine(1, alone=8), images=8)
    evaluated(api, tenant, folder, {"ap": (0.4, 20)}, machine(1), images=8)
    found = {row["hardware"]: (row["ap"], row["runs_evaluated"]) for row in rows(tenant)}
    assert found == {"A CPU (1 thread)": (pytest.approx(0.6), 2), "A CPU (2 threads)": (pytest.approx(0.4), 1)}
    (all_machines,) = rows(tenant, group_by="variant")
    assert (all_machines["ap"], all_machines["runs_evaluated"]) == (pytest.approx(0.6), 2)


def test_an_evaluation_is_dated_by_the_last_image_of_its_run(api: Api, tenant: Tenant, folder: Path) -> None:
    run_id = evaluated(api, tenant, folder, {"ap": (0.4, 20)}, machine(1), images=8)
    for days in (0, 1):
        move_hours(api, run_id, days)
    by_day = rows(tenant, group_by=["variant", "day"])
    assert [(row["day"], row["instances"], row["ap"]) for row in by_day] == [
        ("2026-03-10", 8, None),
        ("2026-03-11", 8, 0.4),
    ]
    (before,) = rows(tenant, group_by="variant", until="2026-03-11T00:00:00Z")
    (after,) = rows(tenant, group_by="variant", since="2026-03-11T00:00:00Z")
    assert (before["runs_evaluated"], before["ap"], after["runs_evaluated"], after["ap"]) == (0, None, 1, 0.4)
    on_each = rows(tenant, group_by=["hardware", "day"])
    assert [(row["day"], row["ap"]) for row in on_each] == [("2026-03-10", 0.4), ("2026-03-11", 0.4)]


def test_a_run_whose_images_all_failed_keeps_its_evaluation(api: Api, tenant: Tenant, folder: Path) -> None:
    evaluated(api, tenant, folder, {"ap": (0.0, 6)}, failed)
    (row,) = rows(tenant)
    assert (row["n"], row["failures"], row["instances"], row["miou"], row["ap"]) == (0, 3, 0, None, 0.0)
    assert rows(tenant, "pareto", quality="miou") == []


def test_pareto_uses_the_requested_quality_figure(api: Api, tenant: Tenant, folder: Path) -> None:
    evaluated(api, tenant, folder, {"ap": (0.4, 6), "ar_1000": (0.9, 6)}, variants=["mobile_sam"])
    evaluated(api, tenant, folder, {"ap": (0.5, 6)}, variants=["sam_vit_b"])
    for quality, names in (("miou", ["mobile_sam", "sam_vit_b"]), ("ap", ["mobile_sam", "sam_vit_b"])):
        points = rows(tenant, "pareto", quality=quality)
        assert [(row["variant"], row["quality"]) for row in points] == [(name, quality) for name in names]
    slower = min(points, key=lambda row: float(row["images_per_second"]))
    assert slower["dominated"] is (slower["ap"] == 0.4)
    (alone,) = rows(tenant, "pareto", quality="ar")
    assert (alone["variant"], alone["ar_1000"], alone["dominated"]) == ("mobile_sam", 0.9, False)
    assert rows(tenant, "pareto", quality="lvis_ap") == []
    evaluated(api, tenant, folder, {"lvis_ap": (0.3, 6)}, variants=["repvit_sam"])
    (federated,) = rows(tenant, "pareto", quality="lvis_ap")
    assert (federated["variant"], federated["lvis_ap"], federated["ap"]) == ("repvit_sam", 0.3, None)
    refused = tenant.http.get("/v1/reports/pareto", params={"quality": "ap50"})
    assert (refused.status_code, refused.json()["code"]) == (422, "payload_invalid")


def test_only_points_of_the_same_task_are_compared(api: Api, tenant: Tenant, folder: Path) -> None:
    evaluated(api, tenant, folder, {"ar_1000": (0.9, 6)}, variants=["mobile_sam"])
    evaluated(api, tenant, folder, {"ar_1000": (0.9, 6)}, variants=["sam_vit_b"])
    given_away = {"kind": "everything", "sampler": "object_aware", "boxes_from": "annotations"}
    with transaction(api.engine) as session:  # as if the second had used the boxes of the annotations
        session.execute(
            text(
                "UPDATE report_series SET parameters = jsonb_build_object('task', CAST(:task AS jsonb)), "
                "parameters_sha256 = repeat('1', 64) WHERE tenant_id = :tenant AND variant = 'sam_vit_b'"
            ),
            {"task": json.dumps(given_away), "tenant": tenant.id},
        )
    points = rows(tenant, "pareto", quality="ar")
    assert [(row["task"], row["dominated"]) for row in points] == [
        ("everything", False),
        ("everything annotations", False),
    ]
    with read_only(api.engine) as session:
        query = text(
            "SELECT task, dominated FROM reports.pareto WHERE tenant_id = :tenant AND quality = 'ar' ORDER BY 1"
        )
        found = [tuple(row) for row in session.execute(query, {"tenant": tenant.id})]
    assert found == [("everything", False), ("everything annotations", False)]


@pytest.mark.parametrize("report", ["throughput", "quality", "pareto", "cost"])
@pytest.mark.parametrize("dimension", ["stage", "batch_size"])
def test_dimensions_that_a_report_does_not_have_are_refused(tenant: Tenant, report: str, dimension: str) -> None:
    chosen = {"stage": "encode", "batch_size": "8"}[dimension]
    for asked in ({"group_by": ["variant", dimension]}, {dimension: chosen}):
        refused = tenant.http.get(f"/v1/reports/{report}", params=asked)
        assert (refused.status_code, refused.json()["code"]) == (422, "report_invalid")
        assert dimension in refused.json()["detail"]


def test_filter_values_that_cannot_match_are_refused(tenant: Tenant) -> None:
    size = tenant.http.get("/v1/reports/latency", params={"batch_size": [4, 3]})
    assert (size.status_code, size.json()["code"]) == (422, "report_invalid")
    stage = tenant.http.get("/v1/reports/latency", params={"stage": "encoder"})
    assert (stage.status_code, stage.json()["code"]) == (422, "payload_invalid")
    for name in (*STAGE_SQL, IMAGE):
        assert rows(tenant, "latency", stage=name, batch_size=[0, 1, 2048]) == []


def test_sql_views_have_the_same_figures_as_the_api(api: Api, tenant: Tenant, folder: Path) -> None:
    everything = {name: (0.01 * place, 5 + place) for place, name in enumerate(FIGURES, 1)}
    evaluated(api, tenant, folder, {"ap": (0.9, 100), "ar_1000": (0.2, 9)}, machine(2), images=4)
    evaluated(api, tenant, folder, everything, machine(1), images=8)
    evaluated(api, tenant, folder, {"ap": (0.0, 6)}, failed, variants=["sam_vit_b"])
    evaluated(api, tenant, folder, {}, variants=["sam_vit_b"])
    asked: dict[str, Any] = {"group_by": ["variant", "hardware", "dataset"]}
    answers = {
        "quality": rows(tenant, **asked),
        "pareto": [row for name in QUALITY for row in rows(tenant, "pareto", **asked, quality=name)],
    }
    for view, answer in answers.items():
        with read_only(api.engine) as session:
            query = text(f"SELECT * FROM reports.{view} WHERE tenant_id = :tenant")
            found = [dict(row) for row in session.execute(query, {"tenant": tenant.id}).mappings()]
        key = ("variant", "hardware_id", "dataset", "quality")
        by_key = {tuple(row.get(name) for name in key): row for row in answer}
        assert len(found) == len(by_key) == len(answer) > 2
        for row in found:
            shown = {**row, "hardware_id": str(row["hardware_id"]) if row["hardware_id"] else None}
            expected = by_key[tuple(shown.get(name) for name in key)]
            compared = set(expected) - {"hardware", "parameters", "task_in_words"}
            assert {name: shown[name] for name in compared} == {
                name: pytest.approx(expected[name], rel=1e-9) if isinstance(expected[name], float) else expected[name]
                for name in compared
            }
