"""Datasets of buckets, manifests and archives, which the server reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.api.api_double import ApiDouble, dataset, refusal
from samfleet.client.create_dataset import (
    DatasetNotListed,
    create_dataset,
)
from samfleet.client.server_sources import ArchiveSource, BucketSource, ManifestSource, SourceNotSupported
from samfleet.client.transport import ApiError
from samfleet.client.wait import Clock

LISTING = dataset(state="listing", image_count=0, listed=7)


def not_listed(code: str) -> dict[str, Any]:
    return dataset(state="failed", error={"code": code, "message": f"{code}: do this"})


def test_a_bucket_is_listed_by_the_server() -> None:
    states = [dataset(state="listing", source="s3"), dataset(source="s3")]
    api = ApiDouble({"POST /v1/datasets": dataset(state="listing", source="s3"), "GET /v1/datasets/d1": states})
    seen: list[str] = []
    source = BucketSource("s3://photos/2026", {"limit": 3, "profile": None, "include_hidden": None})
    clock = Clock(sleep=lambda _seconds: None)
    made = create_dataset(api.client(), source, on_listing=lambda shown: seen.append(shown.state), clock=clock)
    assert (made.state, seen) == ("sealed", ["listing", "listing"])
    assert api.body(0) == {"source": "s3", "url": "s3://photos/2026", "limit": 3}


def test_a_bucket_that_the_server_cannot_list_is_an_error_and_leaves_no_dataset() -> None:
    error = {"code": "bucket_not_found", "message": "there is no bucket photos"}
    api = ApiDouble(
        {"POST /v1/datasets": dataset(state="failed", source="s3", error=error), "DELETE /v1/datasets/d1": None}
    )
    with pytest.raises(DatasetNotListed, match=r"there is no bucket photos \[bucket_not_found\]"):
        create_dataset(api.client(), BucketSource("s3://photos"))
    assert api.sent() == ["POST /v1/datasets", "DELETE /v1/datasets/d1"]


def test_a_manifest_in_a_bucket_is_read_by_the_server() -> None:
    api = ApiDouble({"POST /v1/datasets": dataset(source="manifest")})
    source = ManifestSource("s3://photos/list", "csv", limit=3, described={"name": None, "labels": {"a": "b"}})
    assert create_dataset(api.client(), source).id == "d1"
    body = {"source": "manifest", "manifest": "s3://photos/list", "format": "csv", "limit": 3, "labels": {"a": "b"}}
    assert api.body(0) == body


def test_a_local_manifest_is_uploaded_with_its_folder_as_base(tmp_path: Path) -> None:
    (tmp_path / "shelves.csv").write_text("image\na.png\n")
    states = [dataset(state="listing", source="manifest"), dataset(source="manifest")]
    routes = {
        "POST /v1/datasets": dataset(state="open"),
        "PUT /v1/datasets/d1/manifest": dataset(state="listing"),
        "GET /v1/datasets/d1": states,
    }
    api = ApiDouble(routes)
    made = create_dataset(
        api.client(), ManifestSource(str(tmp_path / "shelves.csv"), limit=5), clock=Clock(sleep=lambda _seconds: None)
    )
    assert made.state == "sealed"
    assert api.body(0) == {"source": "upload", "name": "shelves"}
    sent = api.requests[1]
    assert dict(sent.url.params) == {"format": "csv", "base": str(tmp_path), "limit": "5"}
    assert sent.headers["Content-Type"] == "application/octet-stream"


def test_a_repeat_of_an_upload_whose_response_was_lost_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text('{"image": "a.png"}\n')
    routes = {
        "POST /v1/datasets": dataset(state="open"),
        "PUT /v1/datasets/d1/manifest": [refusal(504, "gateway_timeout"), refusal(409, "dataset_sealed")],
        "GET /v1/datasets/d1": dataset(source="manifest"),
    }
    source = ManifestSource(str(tmp_path / "list.jsonl"))
    assert create_dataset(ApiDouble(routes).client(), source).state == "sealed"
    for code in ("dataset_sealed", "dataset_not_empty"):
        api = ApiDouble({**routes, "PUT /v1/datasets/d1/manifest": refusal(409, code)})
        with pytest.raises(ApiError, match=code):
            create_dataset(api.client(), source)


def test_a_manifest_that_does_not_exist_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    api = ApiDouble({})
    with pytest.raises(SourceNotSupported, match="is not a file"):
        create_dataset(api.client(), ManifestSource(str(tmp_path / "none.csv")))
    (tmp_path / "list.txt").touch()
    with pytest.raises(match=r"\.jsonl"):
        create_dataset(api.client(), ManifestSource(str(tmp_path / "list.txt")))
    assert api.requests == []


def test_archives_are_read_from_buckets_and_otherwise_uploaded(tmp_path: Path) -> None:
    api = ApiDouble({"POST /v1/datasets": dataset(source="archive")})
    create_dataset(api.client(), ArchiveSource("s3://photos/a.zip", profile="lab", hidden=True))
    body = {"source": "archive", "archive": "s3://photos/a.zip", "profile": "lab", "include_hidden": True}
    assert api.body(0) == body
    (tmp_path / "shelves.tar.gz").write_bytes(b"x")
    routes = {
        "POST /v1/datasets": dataset(state="open"),
        "PUT /v1/datasets/d1/archive": dataset(state="listing"),
        "GET /v1/datasets/d1": dataset(source="archive"),
    }
    api = ApiDouble(routes)
    create_dataset(api.client(), ArchiveSource(str(tmp_path / "shelves.tar.gz"), limit=5))
    assert api.body(0) == {"source": "upload", "name": "shelves"}
    assert dict(api.requests[1].url.params) == {"format": "tar.gz", "limit": "5"}
