from __future__ import annotations

from fixtures.api.running_api import Api, Tenant
from samfleet.client import Client
from samfleet.config import Settings
from samfleet_api.datasets.places import list_sources


def test_sources_are_those_that_the_settings_allow(api: Api, tenant: Tenant) -> None:
    found = tenant.http.get("/v1/dataset-sources").json()
    root = [str(api.root)]
    assert {one["source"]: one["places"] for one in found["items"]} == {
        "upload": [],
        "directory": root,
        "manifest": root,
        "archive": root,
    }
    assert found["uploads"]["max_image_bytes"] == 20_000
    assert ".jpg" in found["uploads"]["image_suffixes"]
    assert {".mp4", ".tif"} <= set(found["uploads"]["frame_suffixes"]) - {".jpg"}
    assert found["uploads"]["archive_suffixes"][".tgz"] == "tar.gz"
    with Client(api.url, tenant.key) as client:
        assert client.dataset_sources() == found


def test_a_server_may_allow_uploads_only_or_buckets() -> None:
    only = list_sources(Settings())
    assert [one.source.value for one in only.items] == ["upload"]
    buckets = list_sources(Settings.model_validate({"s3_sources": {"lake": {"buckets": ["photos", "lake/cameras"]}}}))
    assert {one.source.value: one.places for one in buckets.items} == {
        "upload": [],
        "s3": ["s3://photos", "s3://lake/cameras"],
        "manifest": ["s3://photos", "s3://lake/cameras"],
        "archive": ["s3://photos", "s3://lake/cameras"],
    }
