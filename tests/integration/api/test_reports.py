from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update

from fixtures.api.running_api import Api, Tenant, new_tenant
from fixtures.worker.recorded_jobs import Outcomes, carry_out, failed, new_job, segmented
from samfleet.db.models import Dataset
from samfleet.db.session import read_only, transaction
from samfleet.jobs.outcomes import ImageOutcome, Quality, ShardImage

SPEEDS = {("mobile_sam", "default"): 4.0, ("mobile_sam", "other"): 8.0, ("sam_vit_b", "default"): 40.0}
IMAGES = 24
JOULES = {8: 5.4}  # per image, by the threads of a machine; the other one has no counter


def on(threads: int, encode_ms: float, *, quality: float = 1.5) -> Outcomes:
    def outcome(image: ShardImage) -> ImageOutcome:
        if image.image_id == 2:
            return failed(image)
        made = segmented(image, warmup=image.image_id == 1, encode_ms=encode_ms)
        assert made.report is not None
        facts = {"device_kind": "cpu", "device_name": "A CPU", "threads": threads}
        report = replace(made.report, hardware=facts, energy_j=JOULES.get(threads))
        return replace(made, report=report, quality=Quality(2, quality))

    return outcome


def measure(api: Api, tenant: Tenant, folder: Path) -> None:
    """Run two variants on one machine, one of them also on a slower one; image 1 is warm-up, image 2 fails."""
    job = new_job(tenant, folder, images=IMAGES, variants=["mobile_sam", "sam_vit_b"])
    runs = {run["variant"]: run for run in job["runs"]}
    carry_out(api, {**job, "runs": [runs["mobile_sam"]]}, on(8, 4.0))
    carry_out(api, {**job, "runs": [runs["sam_vit_b"]]}, on(8, 40.0, quality=1.75))
    second = new_job(tenant, folder, images=IMAGES, pools=["other"])
    carry_out(api, second, on(2, 8.0))


@pytest.fixture(scope="module")
def reader(api: Api) -> Iterator[Tenant]:
    """A measured tenant for tests that store nothing."""
    folder = api.root / uuid.uuid4().hex
    folder.mkdir()
    with new_tenant(api) as tenant:
        measure(api, tenant, folder)
        yield tenant


@pytest.fixture
def measured(api: Api, tenant: Tenant, folder: Path) -> None:
    measure(api, tenant, folder)


def rows(tenant: Tenant, report: str, **params: Any) -> list[dict[str, Any]]:
    answer = tenant.http.get(f"/v1/reports/{report}", params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


def machines(tenant: Tenant) -> dict[str, str]:
    return {row["hardware"]: row["hardware_id"] for row in rows(tenant, "latency")}


def test_stages_are_listed_in_order(reader: Tenant) -> None:
    stages = reader.http.get("/v1/reports/stages").json()["items"]
    names = [stage["name"] for stage in stages]
    assert names == ["queue", "fetch", "preprocess", "encode", "decode", "postprocess", "store"]
    assert [stage["name"] for stage in stages if stage["on_device"]] == ["encode", "decode", "postprocess"]
    assert {row["stage"] for row in rows(reader, "latency")} <= {*names, "image", "model"}
    job = reader.http.get("/v1/jobs").json()["items"][0]
    timed = list(reader.http.get(f"/v1/runs/{job['runs'][0]['id']}").json()["stages"])
    assert timed == [name for name in names if name in timed]


def test_latency_has_a_row_for_each_variant_machine_and_stage(reader: Tenant) -> None:
    answer = reader.http.get("/v1/reports/latency").json()
    found = {(row["variant"], row["hardware"], row["stage"]): row for row in answer["rows"]}
    assert len(answer["rows"]) == len(found) == 3 * 8
    unmeasured = found["sam_vit_b", "A CPU (8 threads)", "preprocess"]
    assert (unmeasured["n"], unmeasured["failures"], unmeasured["p50_ms"]) == (0, 1, None)
    encode = found["sam_vit_b", "A CPU (8 threads)", "encode"]
    assert (encode["n"], encode["failures"], encode["mean_ms"], encode["site"]) == (IMAGES - 2, 0, 40.0, "local")
    assert encode["p50_ms"] == encode["p99_ms"] == pytest.approx(40.0, rel=0.01)
    assert found["mobile_sam", "A CPU (2 threads)", "image"]["mean_ms"] == pytest.approx(1 + 8 + 10 + 0.5)
    assert found["mobile_sam", "A CPU (2 threads)", "model"]["mean_ms"] == pytest.approx(8 + 10)
    assert answer["parameters"][encode["parameters"]]["checkpoint_sha256"] == "ab"
    assert list(found) == sorted(found)


def test_warm_up_is_counted_on_request(reader: Tenant) -> None:
    wanted = {"variant": "sam_vit_b", "stage": "encode"}
    assert [row["n"] for row in rows(reader, "latency", **wanted, include_warmup=True)] == [IMAGES - 1]


def test_csv_and_json_have_the_same_columns(reader: Tenant) -> None:
    for report in ("latency", "throughput", "quality", "pareto", "cost"):
        answer = reader.http.get(f"/v1/reports/{report}", params={"format": "csv"})
        assert answer.headers["Content-Type"].startswith("text/csv")
        as_json = rows(reader, report)
        parsed = list(csv.DictReader(io.StringIO(answer.text)))
        assert [list(row) for row in parsed] == [list(row) for row in as_json]
        assert len(parsed) == len(as_json) > 0


def test_csv_cells_are_escaped_against_spreadsheet_formulas(api: Api, tenant: Tenant, folder: Path) -> None:
    """Users name datasets, and other sites name their machines."""
    job = new_job(tenant, folder)
    with transaction(api.engine) as session:
        session.execute(
            update(Dataset).where(Dataset.id == uuid.UUID(job["dataset_id"])).values(name='=HYPERLINK("x")')
        )
    carry_out(api, job)
    answer = tenant.http.get("/v1/reports/quality", params={"format": "csv"})
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["dataset"] == '\'=HYPERLINK("x")'
    assert rows(tenant, "quality")[0]["dataset"] == '=HYPERLINK("x")'


@pytest.mark.parametrize(
    ("group", "count"), [("variant", 2), ("hardware", 2), ("batch_size", 1), ("precision", 1), ("job", 2), ("day", 1)]
)
def test_every_dimension_can_group_alone(reader: Tenant, group: str, count: int) -> None:
    found = rows(reader, "latency", group_by=group, stage="encode")
    assert len({row[group] for row in found}) == count
    assert sum(row["n"] for row in found) == 3 * (IMAGES - 2)


def test_different_parameters_have_separate_rows(api: Api, tenant: Tenant, folder: Path, measured: None) -> None:
    finer = new_job(tenant, folder, images=4, task={"kind": "everything", "points_per_side": 4})
    carry_out(api, finer, on(8, 4.0))
    found = rows(tenant, "latency", variant="mobile_sam", stage="encode", group_by="variant")
    assert len({row["parameters"] for row in found}) == len(found) == 2


def test_throughput_counts_images_and_failures_once(reader: Tenant) -> None:
    found = {(row["variant"], row["hardware"]): row for row in rows(reader, "throughput") if row["n"]}
    assert len(found) == 3
    row = found["mobile_sam", "A CPU (8 threads)"]
    assert row["n"] == IMAGES - 2
    assert row["images_per_second"] == pytest.approx(row["n"] / row["wall_seconds"])
    assert row["images_per_gpu_hour"] == pytest.approx(3_600_000 / 14.0)
    assert 0 < row["queue_share"] < 1
    assert [row["failures"] for row in found.values()] == [1, 1, 1]


def test_quality_is_the_mean_over_instances(reader: Tenant) -> None:
    found = rows(reader, "quality", group_by="variant")
    assert {row["variant"]: row["miou"] for row in found} == {"mobile_sam": 0.75, "sam_vit_b": 0.875}
    assert {row["variant"]: row["instances"] for row in found}["sam_vit_b"] == 2 * (IMAGES - 1)


def test_pareto_marks_dominated_points(tenant: Tenant, measured: None) -> None:
    for machine in machines(tenant).values():
        price = {"per_hour": 2.0, "currency": "EUR"}
        assert tenant.http.put(f"/v1/hardware/{machine}/price", json=price).status_code == 200
    figures = {"speed": "images_per_second", "device": "images_per_gpu_hour", "cost": "cost_per_1000_images"}
    for against, figure in figures.items():
        points = rows(tenant, "pareto", against=against)
        assert len(points) == 3
        for point in points:
            better = [
                other
                for other in points
                if other["dataset"] == point["dataset"]
                and other["miou"] >= point["miou"]
                and (other[figure] > point[figure]) == (against != "cost")
                and other[figure] != point[figure]
            ]
            assert point["dominated"] == bool(better)


def test_medians_have_intervals_on_request(reader: Tenant) -> None:
    for row in rows(reader, "latency", stage="encode", intervals=True):
        assert row["p50_low_ms"] < row["p50_ms"] < row["p50_high_ms"]
    without, *_ = rows(reader, "latency", stage="encode")
    assert set(row) - set(without) == {"p50_low_ms", "p50_high_ms"}


def test_compare_names_the_faster_machine_or_says_that_it_cannot_tell(reader: Tenant) -> None:
    slow, fast = (machines(reader)[f"A CPU ({threads} threads)"] for threads in (2, 8))
    (row,) = rows(reader, "compare", by="hardware", a=slow, b=fast, stage="encode")
    assert (row["variant"], row["n_a"], row["n_b"], row["verdict"]) == ("mobile_sam", 22, 22, "b is faster")
    assert row["ratio_low"] < row["ratio"] < row["ratio_high"]
    assert row["ratio"] == pytest.approx(2.0, rel=0.02)
    assert (row["a_in_words"], row["b_in_words"]) == ("A CPU (2 threads)", "A CPU (8 threads)")
    (same,) = rows(reader, "compare", by="hardware", a=slow, b=fast, stage="decode")
    assert (same["ratio"], same["verdict"]) == (1.0, "cannot tell")
    (variants,) = rows(reader, "compare", by="variant", a="mobile_sam", b="sam_vit_b")
    assert (variants["stage"], variants["verdict"]) == ("image", "a is faster")
    assert (variants["a_in_words"], variants["b_in_words"]) == ("mobile_sam", "sam_vit_b")


def test_a_comparison_has_the_parameters_of_both_sides(reader: Tenant) -> None:
    sides = {"by": "variant", "a": "mobile_sam", "b": "sam_vit_b"}
    answer = reader.http.get("/v1/reports/compare", params=sides).json()
    (row,) = answer["rows"]
    assert set(answer["parameters"]) == {row["parameters"], row["parameters_b"]}


def test_both_sides_of_a_comparison_must_exist(reader: Tenant) -> None:
    for a, b in (("x", "y"), (str(uuid.uuid4()),) * 2):
        answer = reader.http.get("/v1/reports/compare", params={"by": "hardware", "a": a, "b": b})
        assert (answer.status_code, answer.json()["code"]) == (422, "report_invalid")
    answer = reader.http.get("/v1/reports/compare", params={"by": "variant", "a": "mobile_sam", "b": "nothing"})
    assert (answer.status_code, answer.json()["code"]) == (422, "variant_unknown")


def test_cost_needs_a_price(tenant: Tenant, other_tenant: Tenant, measured: None) -> None:
    assert {row["cost"] for row in rows(tenant, "cost")} == {None}
    machine = machines(tenant)["A CPU (2 threads)"]
    assert tenant.http.put(f"/v1/hardware/{machine}/price", json={"per_hour": 1.0}).json()["currency"] == "USD"
    tenant.http.put(f"/v1/hardware/{machine}/price", json={"per_hour": 7.2})
    (row,) = rows(tenant, "cost", hardware=machine)
    computing_ms = 8 + 10  # encode and decode
    assert row["hours"] == pytest.approx(row["n"] * computing_ms / 3_600_000)
    assert row["clock_hours"] > 0
    assert row["cost"] == pytest.approx(7.2 * row["hours"])
    assert row["cost_per_1000_images"] == pytest.approx(row["cost"] * 1000 / row["n"])
    unknown = tenant.http.put(f"/v1/hardware/{uuid.uuid4()}/price", json={"per_hour": 1.0})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "hardware_not_found")


def test_energy_is_reported_for_devices_that_count_it(reader: Tenant) -> None:
    found = {(row["variant"], row["hardware"]): row for row in rows(reader, "cost")}
    counted, uncounted = found["mobile_sam", "A CPU (8 threads)"], found["mobile_sam", "A CPU (2 threads)"]
    assert counted["energy_wh"] == pytest.approx(counted["n"] * 5.4 / 3600)  # without the warm-up
    assert counted["wh_per_1000_images"] == pytest.approx(1.5)
    assert (uncounted["energy_wh"], uncounted["wh_per_1000_images"]) == (None, None)
    (both,) = rows(reader, "cost", variant="mobile_sam", group_by="variant", hardware=counted["hardware_id"])
    assert both["wh_per_1000_images"] == pytest.approx(1.5)


def test_time_ranges_select_hours(reader: Tenant) -> None:
    assert rows(reader, "latency", until="2020-01-01T00:00:00Z") == []
    assert rows(reader, "throughput", since="2020-01-01T00:00:00Z")
    turned = reader.http.get(
        "/v1/reports/latency", params={"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    )
    assert (turned.status_code, turned.json()["code"]) == (422, "report_invalid")


def test_tenants_see_only_their_own_rows(reader: Tenant, other_tenant: Tenant) -> None:
    for report in ("latency", "throughput", "quality", "pareto", "cost"):
        assert rows(other_tenant, report) == []
        assert other_tenant.http.get(f"/v1/reports/{report}").json()["parameters"] == {}


@pytest.mark.parametrize("view", ["latency", "throughput", "quality", "pareto", "cost"])
def test_sql_views_agree_with_the_api(api: Api, reader: Tenant, view: str) -> None:
    asked = rows(reader, view, group_by=["variant", "hardware", "dataset"] if view != "latency" else [])
    with read_only(api.engine) as session:
        query = text(f"SELECT * FROM reports.{view} WHERE tenant_id = :tenant ORDER BY variant, hardware_id")
        found = [dict(row) for row in session.execute(query, {"tenant": reader.id}).mappings()]
    key = ("variant", "hardware_id", "stage", "dataset")
    answers = {tuple(row.get(name) for name in key): row for row in asked}
    assert len(found) == len(answers) > 0
    for row in found:
        answer = answers[tuple(str(row[name]) if name in row else None for name in key)]
        skipped = {"hardware", "hardware_id", "parameters"}
        if row.get("stage") == "queue":  # few distinct times; the API alone interpolates between them
            skipped |= {"p50_ms", "p90_ms", "p95_ms", "p99_ms"}
        for name in set(answer) & set(row) - skipped:
            number = isinstance(row[name], float)
            assert row[name] == (pytest.approx(answer[name], rel=0.02) if number else answer[name]), name


@pytest.mark.parametrize("view", ["latency", "throughput", "cost"])
def test_a_run_whose_images_all_failed_is_in_every_report(api: Api, tenant: Tenant, folder: Path, view: str) -> None:
    carry_out(api, new_job(tenant, folder), failed)
    answers = rows(tenant, view, group_by=["variant", "hardware"])
    assert {(row["hardware"], row["n"], row.get("failures", 3)) for row in answers} == {(None, 0, 3)}
    with read_only(api.engine) as session:
        order = "stage" if view == "latency" else "n"
        query = text(f"SELECT * FROM reports.{view} WHERE tenant_id = :tenant ORDER BY {order}")
        found = [dict(row) for row in session.execute(query, {"tenant": tenant.id}).mappings()]
    for row, answer in zip(found, answers, strict=True):
        shared = set(row) & set(answer) - {"parameters"}
        assert {name: row[name] for name in shared} == {name: answer[name] for name in shared}


def test_the_view_of_comparisons_has_each_pair(api: Api, reader: Tenant) -> None:
    with read_only(api.engine) as session:
        query = text("SELECT ratio FROM reports.compare WHERE tenant_id = :tenant AND stage = 'encode' ORDER BY 1")
        assert session.scalars(query, {"tenant": reader.id}).all() == pytest.approx([0.5, 2.0], rel=0.02)
