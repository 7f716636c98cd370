from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from fixtures.api.api_double import ApiDouble, dataset, image, job, page, refusal, run
from samfleet.client.transport import ApiError


def test_retries_of_a_submission_use_the_same_idempotency_key() -> None:
    api = ApiDouble({"POST /v1/jobs": [refusal(503, "database_unavailable"), httpx.Response(202, json=job())]})
    submitted = api.client().submit_job("d1", ["mobile_sam"], {"kind": "everything"}, pools=["local"])
    assert submitted.id == "j1"
    keys = {request.headers["Idempotency-Key"] for request in api.requests}
    assert (len(api.requests), len(keys)) == (2, 1)
    assert api.body(0) == {
        "dataset_id": "d1",
        "variants": ["mobile_sam"],
        "task": {"kind": "everything"},
        "pools": ["local"],
    }


def test_pages_are_followed_to_the_end() -> None:
    first, last = page(image(0, "a.jpg"), next_="c2"), page(image(1, "b/c.jpg", width=None, height=None))
    api = ApiDouble({"GET /v1/datasets/d1/images": [first, last]})
    images = list(api.client().dataset_images("d1"))
    assert [found.file_name for found in images] == ["a.jpg", "b/c.jpg"]
    assert images[1].width is None
    assert [request.url.params.get("cursor") for request in api.requests] == [None, "c2"]


def test_a_server_directory_is_sent_by_path_only(tmp_path: Path) -> None:
    api = ApiDouble({"POST /v1/datasets": dataset()})
    api.client().create_directory_dataset(tmp_path, annotations=tmp_path / "a.json", limit=3)
    assert api.body(0) == {
        "source": "directory",
        "directory": str(tmp_path),
        "annotations_path": str(tmp_path / "a.json"),
        "limit": 3,
    }


def test_files_are_accepted_when_the_first_response_was_lost(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"123")
    route = "POST /v1/datasets/d1/images"
    lost = ApiDouble({route: [refusal(504, "gateway_timeout"), {"items": []}]})
    lost.client().upload_images("d1", [("a.jpg", tmp_path / "a.jpg")])
    assert lost.uploaded_names() == ["a.jpg", "a.jpg"]

    taken = ApiDouble({route: refusal(409, "file_name_taken")})
    with pytest.raises(ApiError, match="file_name_taken"):
        taken.client().upload_images("d1", [("a.jpg", tmp_path / "a.jpg")])


def test_a_failed_annotation_upload_restarts_from_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    path.write_text('{"images": []}')
    api = ApiDouble({"PUT /v1/datasets/d1/annotations": [refusal(503, "unavailable"), dataset()]})
    api.client().upload_annotations("d1", path)
    assert [request.content for request in api.requests] == [path.read_bytes()] * 2
    assert {request.headers["Content-Length"] for request in api.requests} == {"14"}


def test_a_download_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "mobile_sam.coco.json"
    target.write_text("of an earlier run")
    refused = ApiDouble({"GET /v1/runs/r1/results": refusal(404, "run_not_found")})
    with pytest.raises(ApiError, match="do this"):
        refused.client().download_results("r1", target)
    assert target.read_text() == "of an earlier run"

    api = ApiDouble({"GET /v1/runs/r1/results": httpx.Response(200, content=b"[]")})
    api.client().download_results("r1", target)
    assert target.read_bytes() == b"[]"
    assert api.requests[0].url.params["format"] == "coco"
    assert list(tmp_path.iterdir()) == [target]


def test_fields_of_a_newer_server_are_ignored() -> None:
    api = ApiDouble({"GET /v1/runs/r1": run(colour="red")})
    assert api.client().run("r1").masks == 7


def test_a_site_name_cannot_reach_another_route() -> None:
    api = ApiDouble({"DELETE /v1/sites/x/../../jobs": refusal(404, "site_not_found")})
    with pytest.raises(ApiError):
        api.client().forget_site("x/../../jobs")
    assert [request.url.raw_path for request in api.requests] == [b"/v1/sites/x%2F..%2F..%2Fjobs"]
