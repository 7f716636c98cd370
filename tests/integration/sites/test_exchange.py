from __future__ import annotations

import asyncio
import gzip
import inspect
import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.responses import StreamingResponse
from sqlalchemy import func, text

from fixtures.api.running_api import new_tenant
from fixtures.api.running_sites import SiteApi, open_site, serve_site
from fixtures.worker.recorded_jobs import carry_out, failed
from samfleet.config import Settings
from samfleet.db.models import Hardware, ImageResult, ReportSeries, Rollup
from samfleet.db.session import read_only, transaction
from samfleet.jobs.hardware import remember_hardware
from samfleet.reports.query import ReportQuery
from samfleet.rollups.rebuild import rebuild_run
from samfleet_api.long_requests import LongRequests
from samfleet_api.sites.endpoints import export_measurements

REPORTS = ("latency", "throughput", "quality", "pareto", "cost")
THEIR_OWN = {"site", "hardware_id", "dataset"}  # fields that differ between a row and its copy on another site


def kept(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in THEIR_OWN} for row in rows]


def counts(site: SiteApi) -> dict[str, int]:
    """Count the rows of all tenants of the site."""
    names = ("sites", "report_series", "rollups", "series_quality", "hardware")
    with read_only(site.api.engine) as session:
        return {name: session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in names}


def lines_of(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(content).splitlines()]


def test_every_report_shows_the_rows_of_both_sites(lab: SiteApi, laptop: SiteApi) -> None:
    lab.measure("H200", 2.0)
    laptop.measure("Laptop GPU", 20.0)
    before = {report: laptop.rows(report) for report in REPORTS}
    answer = laptop.take(lab.export(), lab.fingerprint)
    assert answer.status_code == 200, answer.text
    assert {**answer.json(), "exported_at": None} == {
        "site": "lab", "fingerprint": lab.fingerprint, "exported_at": None, "added": 1, "replaced": 0, "unchanged": 0,
    }  # fmt: skip
    for report in REPORTS:
        assert laptop.rows(report, site="local") == before[report] != []
        assert kept(laptop.rows(report, site="lab")) == kept(lab.rows(report)) != []
        assert {row["site"] for row in laptop.rows(report)} == {"lab", "local"}
    with read_only(laptop.api.engine) as session:
        memory = session.query(func.max(Rollup.peak_memory_bytes), func.sum(Rollup.memory_images)).join(ReportSeries)
        assert memory.filter_by(site="lab").one() == (4000, 12)
    found = laptop.rows("quality")
    assert [row["miou_evaluated"] for row in found] == [0.75, 0.75]
    assert len({row["dataset"] for row in found}) == 1  # the same images under any folder name


def test_machines_of_two_sites_are_compared(lab: SiteApi, laptop: SiteApi) -> None:
    lab.measure("H200", 2.0)
    laptop.measure("Laptop GPU", 20.0)
    laptop.take(lab.export(), lab.fingerprint)
    machines = {one["device_name"]: one["id"] for one in laptop.tenant.http.get("/v1/hardware").json()["items"]}
    sides = {"by": "hardware", "a": machines["H200"], "b": machines["Laptop GPU"], "stage": "encode"}
    (row,) = laptop.rows("compare", **sides)
    assert (row["n_a"], row["n_b"], row["verdict"]) == (12, 12, "a is faster")
    assert row["ratio_low"] < row["ratio"] < row["ratio_high"] < 1
    assert row["ratio"] == pytest.approx(0.1, rel=0.03)


def test_the_same_file_twice_changes_nothing(lab: SiteApi, laptop: SiteApi) -> None:
    lab.measure("H200", 2.0)
    content = lab.export()
    laptop.take(content, lab.fingerprint)
    before, rows = counts(laptop), laptop.rows("latency")
    assert laptop.take(content).json()["unchanged"] == 1
    assert laptop.take(gzip.decompress(content)).json()["unchanged"] == 1  # an uncompressed file works too
    assert (counts(laptop), laptop.rows("latency")) == (before, rows)


def test_images_that_reached_no_machine_are_exported_too(lab: SiteApi, laptop: SiteApi) -> None:
    job = lab.submit()
    carry_out(lab.api, job, failed)
    content = lab.export()
    assert laptop.take(content, lab.fingerprint).json()["added"] == 1
    assert laptop.take(content).json()["unchanged"] == 1
    (row,) = laptop.rows("throughput")
    assert (row["n"], row["failures"], row["hardware"]) == (0, 12, None)


def test_a_series_removed_at_the_origin_is_removed_by_the_next_import(lab: SiteApi, laptop: SiteApi) -> None:
    """A run loses a series when all images of a machine are repeated on another one."""
    job = lab.measure("H200", 2.0)
    with transaction(lab.api.engine) as session:
        (series,) = session.query(ReportSeries).filter_by(tenant_id=lab.tenant.id)
        run_id = series.run_id
        machine = session.query(Hardware).filter_by(id=series.hardware_id).one()
        facts = {**machine.facts, "device_name": "L4"}
        other = remember_hardware(session, [facts]).id_of(facts)
    assert laptop.take(lab.export(), lab.fingerprint).json()["added"] == 1
    with transaction(lab.api.engine) as session:
        session.query(ImageResult).filter_by(run_id=run_id).update({"hardware_id": other})
        rebuild_run(session, uuid.UUID(job["runs"][0]["id"]))
    assert laptop.take(lab.export(variant="mobile_sam")).json()["replaced"] == 1
    assert {row["hardware"] for row in laptop.rows("latency")} == {"L4"}


def test_a_machine_removed_at_the_origin_is_shown_to_no_tenant(lab: SiteApi, laptop: SiteApi) -> None:
    """Otherwise another tenant would see imported facts."""
    job = lab.measure("H200 of a secret site", 2.0)
    assert laptop.take(lab.export(), lab.fingerprint).json()["added"] == 1
    with transaction(lab.api.engine) as session:
        session.query(ImageResult).filter_by(run_id=uuid.UUID(job["runs"][0]["id"])).update({"hardware_id": None})
        rebuild_run(session, uuid.UUID(job["runs"][0]["id"]))
    assert laptop.take(lab.export()).json()["replaced"] == 1
    with new_tenant(laptop.api) as other:
        for tenant in (other, laptop.tenant):
            machines = {one["device_name"] for one in tenant.http.get("/v1/hardware").json()["items"]}
            assert "H200 of a secret site" not in machines


def test_concurrent_imports_store_a_run_once(lab: SiteApi, laptop: SiteApi) -> None:
    lab.measure("H200", 2.0)
    content, trust = lab.export(), lab.fingerprint
    with ThreadPoolExecutor(4) as threads:
        answers = [answer.json() for answer in threads.map(lambda _: laptop.take(content, trust), range(4))]
    assert sorted(answer["added"] for answer in answers) == [0, 0, 0, 1]
    assert {row["n"] for row in laptop.rows("latency", stage="encode")} == {12}


def test_a_later_export_replaces_rows_and_an_older_one_changes_nothing(lab: SiteApi, laptop: SiteApi) -> None:
    first = lab.measure("H200", 2.0)
    (run,) = first["runs"]
    older = lab.export()
    with transaction(lab.api.engine) as session:
        (series,) = session.query(ReportSeries).filter_by(tenant_id=lab.tenant.id)
        session.query(Rollup).filter_by(series_id=series.id, stage="encode").update({"n": 13, "failures": 1})
    lab.measure("L4", 4.0)
    newer = lab.export()
    assert laptop.take(newer, lab.fingerprint).json()["added"] == 2
    rows = laptop.rows("latency", stage="encode")
    assert sorted(row["n"] for row in rows) == [12, 13]
    assert laptop.take(older).json()["unchanged"] == 1
    assert laptop.rows("latency", stage="encode") == rows
    with transaction(lab.api.engine) as session:
        rebuild_run(session, uuid.UUID(run["id"]))
    answer = laptop.take(lab.export()).json()
    assert (answer["added"], answer["replaced"], answer["unchanged"]) == (0, 2, 0)
    assert [row["n"] for row in laptop.rows("latency", stage="encode")] == [12, 12]


def test_filters_export_whole_runs(lab: SiteApi, laptop: SiteApi) -> None:
    lab.measure("H200", 2.0)
    second = lab.measure("L4", 4.0)
    content = lab.export(job=second["id"], variant="mobile_sam", precision="bf16", since="2020-01-01T00:00:00Z")
    assert laptop.take(content, lab.fingerprint).json()["added"] == 1
    assert {row["hardware"] for row in laptop.rows("latency")} == {"L4"}
    assert laptop.take(lab.export(until="2020-01-01T00:00:00Z")).json()["added"] == 0
    assert laptop.take(lab.export()).json()["added"] == 1


def test_imported_rows_are_not_exported_again(lab: SiteApi, laptop: SiteApi) -> None:
    lab.measure("H200", 2.0)
    laptop.take(lab.export(), lab.fingerprint)
    assert [line["kind"] for line in lines_of(laptop.export())] == ["header", "signature"]


def test_nothing_private_leaves_a_site(lab: SiteApi) -> None:
    job = lab.measure("H200", 2.0)
    lines = lines_of(lab.export())
    assert {line["kind"] for line in lines} == {"header", "hardware", "series", "rollup", "figure", "signature"}
    (series,) = (line for line in lines if line["kind"] == "series")
    assert set(series["parameters"]) == {"task", "checkpoint_sha256"}
    assert series["run_id"] == job["runs"][0]["id"]
    told = json.dumps(lines)
    dataset = lab.tenant.http.get(f"/v1/datasets/{job['dataset_id']}").json()
    images = lab.tenant.http.get(f"/v1/datasets/{job['dataset_id']}/images").json()["items"]
    assert dataset["name"] in told
    for secret in (lab.tenant.key, str(lab.api.root), "PRIVATE KEY", str(lab.tenant.id), images[0]["file_name"]):
        assert secret not in told


def test_a_slow_client_holds_no_database_snapshot(lab: SiteApi) -> None:
    """It holds no connection either: a few of them would take all that the API has."""
    lab.measure("H200", 2.0)
    settings = Settings(site="lab", site_key_file=lab.running.key_file)

    async def read() -> bytes:
        long_requests = LongRequests(threads=1, wait_seconds=1)
        export: Callable[..., StreamingResponse] = inspect.unwrap(export_measurements)
        unread = export(ReportQuery(lab.tenant.id), settings, lab.api.engine, long_requests)
        assert lab.api.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # its type hides what it counts
        return b"".join([bytes(piece) async for piece in unread.body_iterator])  # type: ignore[arg-type] # of bytes

    assert [line["kind"] for line in lines_of(asyncio.run(read()))][-1] == "signature"


def test_deleting_a_site_deletes_the_prices_of_its_machines(lab: SiteApi, laptop: SiteApi) -> None:
    lab.measure("H200 with a price", 2.0)
    laptop.take(lab.export(), lab.fingerprint)
    (machine,) = {row["hardware_id"] for row in laptop.rows("latency")}
    price = {"per_hour": 2.5, "currency": "USD"}
    assert laptop.tenant.http.put(f"/v1/hardware/{machine}/price", json=price).status_code == 200
    assert laptop.tenant.http.delete("/v1/sites/lab").status_code == 204
    assert laptop.tenant.http.get("/v1/sites").json()["items"] == []


def test_a_site_without_a_name_cannot_export(lab: SiteApi, tmp_path: Path) -> None:
    with serve_site(None, lab.running.database_url, tmp_path) as running, open_site(running) as site:
        answer = site.tenant.http.get("/v1/reports/export")
        assert (answer.status_code, answer.json()["code"]) == (409, "site_unnamed")
        assert site.tenant.http.get("/v1/sites").json() == {"this": {"name": None, "fingerprint": None}, "items": []}


def test_imported_sites_are_separate_per_tenant(lab: SiteApi, laptop: SiteApi) -> None:
    lab.measure("H200 of this test", 2.0)
    laptop.take(lab.export(), lab.fingerprint)
    with new_tenant(laptop.api) as other:
        assert other.http.get("/v1/reports/latency").json()["rows"] == []
        assert other.http.get("/v1/sites").json()["items"] == []
        machines = other.http.get("/v1/hardware").json()["items"]
        assert "H200 of this test" not in {one["device_name"] for one in machines}
        assert laptop.take(lab.export(), by=other).json()["code"] == "site_not_trusted"
        assert laptop.take(lab.export(), lab.fingerprint, by=other).json()["added"] == 1
        assert other.http.delete("/v1/sites/lab").status_code == 204
    assert laptop.rows("latency")


def test_deleting_a_site_deletes_all_its_rows(lab: SiteApi, laptop: SiteApi) -> None:
    lab.measure("H200", 2.0)
    before = counts(laptop)
    laptop.take(lab.export(), lab.fingerprint)
    (site,) = laptop.tenant.http.get("/v1/sites").json()["items"]
    assert (site["name"], site["fingerprint"], site["runs"]) == ("lab", lab.fingerprint, 1)
    assert laptop.tenant.http.delete("/v1/sites/lab").status_code == 204
    assert counts(laptop) == before
    again = laptop.tenant.http.delete("/v1/sites/lab")
    assert (again.status_code, again.json()["code"]) == (404, "site_not_found")
