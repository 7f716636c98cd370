"""Datasets of buckets and overlays of their images, by the API."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import update

from fixtures.api.running_api import Api, Tenant
from fixtures.images.encoded_images import bright_square
from fixtures.servers.s3_server import Buckets
from fixtures.worker.recorded_jobs import HEIGHT, WIDTH
from samfleet.datasets.s3_sources import S3Image, S3Sources
from samfleet.datasets.service import InputLimits
from samfleet.db.models import DatasetImage, ImageResult
from samfleet.db.session import read_only, transaction
from samfleet.jobs.listing import list_dataset


@pytest.fixture
def bucket(api: Api, buckets: Buckets) -> Iterator[str]:
    """A bucket of two images that the server may read."""
    bucket = buckets.make({f"2026/{name}": bright_square(WIDTH, HEIGHT) for name in ("b.png", "a.png")})
    before, api.app.state.s3 = api.app.state.s3, S3Sources({"main": buckets.profile(bucket)})
    yield bucket
    api.app.state.s3 = before


def create(tenant: Tenant, **body: object) -> httpx.Response:
    return tenant.http.post("/v1/datasets", json={"source": "s3", **body})


def test_a_bucket_is_listed_by_a_task(api: Api, tenant: Tenant, bucket: str) -> None:
    api.queue.sent.clear()
    answer = create(tenant, url=f"s3://{bucket}/2026", labels={"team": "shelves"}, notes="of the lake")
    dataset = answer.json()
    assert (answer.status_code, dataset["state"], dataset["source"], dataset["name"]) == (202, "listing", "s3", "2026")
    assert (dataset["labels"], dataset["notes"]) == ({"team": "shelves"}, "of the lake")
    assert [(task.task, task.args) for task in api.queue.sent] == [("datasets.list", (dataset["id"],))]
    list_dataset(api.engine, uuid.UUID(dataset["id"]), (), InputLimits(), api.app.state.s3)
    place = answer.headers["Location"]
    sealed = tenant.http.get(place).json()
    assert (sealed["state"], sealed["image_count"], sealed["error"]) == ("sealed", 2, None)
    shown = tenant.http.get(f"{place}/images").json()["items"]
    assert [(one["file_name"], one["image_id"]) for one in shown] == [("a.png", 1), ("b.png", 2)]
    job = {"dataset_id": dataset["id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}}
    assert tenant.http.post("/v1/jobs", json=job).status_code == 202
    assert tenant.http.delete(place).json()["code"] == "dataset_in_use"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"url": "s3://secrets/2026"}, 403, "bucket_not_allowed"),
        ({"url": "s3://secrets/2026", "profile": "main"}, 403, "bucket_not_allowed"),
        ({"profile": "other"}, 422, "s3_profile_unknown"),
        ({"url": "https://example.com/a"}, 422, "s3_url_invalid"),
        ({"url": "s3://"}, 422, "s3_url_invalid"),
        ({"url": "s3://bucket/\n"}, 422, "s3_url_invalid"),
        ({"url": ""}, 422, "payload_invalid"),
        ({"limit": 0}, 422, "payload_invalid"),
        ({"annotations_path": "/a.json"}, 422, "payload_invalid"),
        ({"access_key_id": "AKIA"}, 422, "payload_invalid"),
    ],
)
def test_other_requests_are_refused(
    tenant: Tenant, bucket: str, fields: dict[str, object], status: int, code: str
) -> None:
    answer = create(tenant, **{"url": f"s3://{bucket}/2026", **fields})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert tenant.http.get("/v1/datasets").json()["items"] == []


def test_a_server_without_buckets_says_which_setting_allows_them(tenant: Tenant) -> None:
    answer = create(tenant, url="s3://photos/2026")
    assert (answer.status_code, answer.json()["code"]) == (403, "bucket_not_allowed")
    assert "SAMFLEET_S3_SOURCES: none" in answer.json()["detail"]


def test_a_bucket_that_could_not_be_listed_says_why(api: Api, tenant: Tenant, bucket: str) -> None:
    place = create(tenant, url=f"s3://{bucket}/2025").headers["Location"]
    list_dataset(api.engine, uuid.UUID(place.rpartition("/")[2]), (), InputLimits(), api.app.state.s3)
    failed = tenant.http.get(place).json()
    assert (failed["state"], failed["error"]["code"]) == ("failed", "dataset_empty")
    assert tenant.http.delete(place).status_code == 204


def test_an_overlay_reads_the_image_from_its_bucket(
    api: Api, tenant: Tenant, run_path: str, buckets: Buckets, bucket: str
) -> None:
    etag = buckets.client.head_object(Bucket=bucket, Key="2026/a.png")["ETag"]
    with read_only(api.engine) as session:
        run_id = uuid.UUID(run_path.rpartition("/")[2])
        row_id = session.query(ImageResult.dataset_image_id).filter_by(run_id=run_id, image_id=3).scalar()
    with transaction(api.engine) as session:
        uri = S3Image("main", bucket, "2026/a.png", etag).uri
        session.execute(update(DatasetImage).where(DatasetImage.id == row_id).values(uri=uri))
    path, params = f"{run_path}/images/3/overlay.png", {"with_masks": False}
    drawn = tenant.http.get(path, params=params)
    assert (drawn.status_code, drawn.headers["Content-Type"]) == (200, "image/png")
    buckets.client.put_object(Bucket=bucket, Key="2026/a.png", Body=b"another", ACL="public-read")
    changed = tenant.http.get(path, params=params)
    assert (changed.status_code, changed.json()["code"]) == (422, "source_changed")
