"""A job's report is one HTML file with its figures, sample images and no script."""

from __future__ import annotations

import asyncio
import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from fixtures.api.measured_tenant import every_third_fails
from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import HEIGHT, WIDTH, carry_out, new_job, plan
from samfleet.client.async_client import AsyncClient
from samfleet.client.client import SamfleetClient

HOSTILE = '<script>alert("x")</script>'


class Parsed(HTMLParser):
    """Tags with their attributes, and the text of the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, tag: str, name: str) -> list[str]:
        return [found[name] or "" for one, found in self.tags if one == tag and name in found]


@pytest.fixture
def job_id(api: Api, tenant: Tenant, folder: Path) -> str:
    job = new_job(tenant, folder, images=7, variants=["mobile_sam", "sam_vit_b"], name=HOSTILE)
    carry_out(api, job, every_third_fails)
    return str(job["id"])


def report(tenant: Tenant, job_id: str, **params: int) -> Parsed:
    answer = tenant.http.get(f"/v1/jobs/{job_id}/report.html", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    return Parsed(answer.text)


def test_the_report_needs_no_script_and_no_other_file(tenant: Tenant, job_id: str) -> None:
    page = report(tenant, job_id)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "form"}
    assert HOSTILE in page.text
    assert all(url.startswith("data:image/jpeg;base64,") for url in page.attributes("img", "src"))
    assert not [found for _, found in page.tags if any(name.startswith("on") or name == "style" for name in found)]
    policy = next(found["content"] for _, found in page.tags if found.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")


def test_the_report_has_the_figures_of_the_reports(tenant: Tenant, job_id: str) -> None:
    page = report(tenant, job_id, images=0)
    rows = tenant.http.get("/v1/reports/latency", params={"job": job_id, "stage": "image"}).json()["rows"]
    assert len(rows) == 2
    for row in rows:
        assert f"{row['p50_ms']:.3g}" in page.text
        assert row["parameters"] in page.text
    for words in ("everything, 32 points per side", "Licence of the weights", "Apache-2.0", "mIoU", "image_truncated"):
        assert words in page.text
    assert page.attributes("img", "src") == []


def test_the_report_shows_images_with_masks_and_reasons_for_failures(tenant: Tenant, job_id: str, folder: Path) -> None:
    page = report(tenant, job_id, images=7)
    pictures = page.attributes("img", "src")
    assert len(pictures) == 2 * 5  # image 3 and 6 failed in both runs
    assert page.text.count("failed: the file ends early (image_truncated)") == 2 * 2
    with Image.open(io.BytesIO(base64.b64decode(pictures[0].partition(",")[2]))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (WIDTH, HEIGHT))
    assert len(report(tenant, job_id, images=1).attributes("img", "src")) == 2


def test_an_image_that_is_gone_has_its_reason_instead(tenant: Tenant, job_id: str, folder: Path) -> None:
    for path in folder.glob("*.png"):
        path.unlink()
    page = report(tenant, job_id, images=7)
    assert page.attributes("img", "src") == []
    assert len(re.findall(r"not shown: .* \(image_missing\)", page.text)) == 2 * 5


def test_a_job_without_results_has_a_report(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    plan(api, job)
    page = report(tenant, job["id"])
    assert "Nothing was measured yet" in page.text
    assert page.text.count("not recorded yet") == 3


def test_the_number_of_images_is_bounded(tenant: Tenant, job_id: str) -> None:
    answer = tenant.http.get(f"/v1/jobs/{job_id}/report.html", params={"images": 13})
    assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")


def test_the_clients_fetch_the_report(api: Api, tenant: Tenant, job_id: str) -> None:
    async def awaited() -> bytes:
        async with AsyncClient(api.url, tenant.key) as client:
            return await client.job_report(job_id, images=0)

    with SamfleetClient(api.url, tenant.key) as client:
        page = client.job_report(job_id, images=0)
    assert page.startswith(b"<!doctype html>")
    assert asyncio.run(awaited()).startswith(b"<!doctype html>")
