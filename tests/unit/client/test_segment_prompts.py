"""Prompts and frames in `segment` of both clients, against a double of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from fixtures.api.api_double import ApiDouble, dataset, image, page, refusal
from fixtures.api.segmentations import ARRAY, Segment, answers, segment
from samfleet.client.images import ImagesInvalid
from samfleet.client.label_folders import PromptsNotSupported
from samfleet.client.transport import ApiError
from samfleet.errors import InvalidInput

__all__ = ["segment"]


def versioned(**changes: Any) -> ApiDouble:
    """Return an API that lists a dataset d1 and makes its version v1."""
    return ApiDouble(
        answers(**{
            "POST /v1/datasets": dataset(source="s3"),
            "POST /v1/datasets/d1/versions": dataset(id="v1", state="open"),
            "PUT /v1/datasets/v1/prompts": {},
            "POST /v1/datasets/v1/seal": dataset(id="v1"),
            "DELETE /v1/datasets/d1": httpx.Response(204),
            "DELETE /v1/datasets/v1": httpx.Response(204),
            "GET /v1/datasets/d1": dataset(),
            "PUT /v1/datasets/d1/manifest": {},
            **changes,
        })
    )  # fmt: skip


@pytest.mark.parametrize("place", ["s3://bucket/photos", "s3://bucket/list.jsonl", "shelves.csv"])
def test_local_prompts_are_uploaded_to_images_that_the_server_lists(
    segment: Segment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prompts.jsonl").write_text("{}")
    Path("shelves.csv").write_text("image\na.png\n")
    api = versioned()
    segment(api, place, "mobile_sam", prompts="prompts.jsonl", keep=False)
    sent = api.sent()
    begin = sent.index("POST /v1/datasets/d1/versions")
    assert sent[begin : begin + 5] == [
        "POST /v1/datasets/d1/versions",
        "PUT /v1/datasets/v1/prompts",
        "POST /v1/datasets/v1/seal",
        "DELETE /v1/datasets/d1",
        "POST /v1/jobs",
    ]
    job_body = api.body(begin + 4)
    assert (job_body["dataset_id"], job_body["task"]) == ("v1", {"kind": "prompts", "prompt": "file"})
    assert sent[-2:] == ["DELETE /v1/jobs/j1", "DELETE /v1/datasets/v1"]


def test_prompts_that_the_server_refuses_leave_nothing_behind(segment: Segment, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("{}")
    api = versioned(**{"PUT /v1/datasets/v1/prompts": refusal(422, "prompts_invalid")})
    with pytest.raises(ApiError, match="prompts_invalid"):
        segment(api, "s3://bucket/photos", "mobile_sam", prompts=tmp_path / "prompts.jsonl")
    assert api.sent()[-2:] == ["DELETE /v1/datasets/v1", "DELETE /v1/datasets/d1"]


def test_prompts_in_a_bucket_are_read_by_the_server(segment: Segment) -> None:
    for place in ("s3://bucket/photos", "s3://bucket/list.jsonl", "s3://bucket/photos.tar"):
        api = versioned()
        segment(api, place, "mobile_sam", prompts="s3://bucket/prompts.jsonl", name="mine")
        body = api.body(1)
        assert (body["prompts_path"], body["name"]) == ("s3://bucket/prompts.jsonl", "mine")


def test_prompts_are_sent_with_pictures_and_added_to_datasets(segment: Segment, tmp_path: Path) -> None:
    labels = tmp_path / "boxes.csv"
    labels.write_text("image,x0,y0,x1,y1\n000000.png,1,1,4,4\n")
    api = ApiDouble(answers(**{"PUT /v1/datasets/u1/prompts": {}}))
    segment(api, [ARRAY], "mobile_sam", prompts=labels, prompts_format="csv")
    [put] = [request for request in api.requests if request.url.path == "/v1/datasets/u1/prompts"]
    assert (dict(put.url.params), put.content) == ({"format": "csv"}, labels.read_bytes())
    api = versioned(**{"GET /v1/datasets/0a1b2c3d": dataset()})
    segment(api, "0a1b2c3d", "mobile_sam", prompts=labels, prompts_format="csv", keep=False)
    assert api.sent()[-2:] == ["DELETE /v1/jobs/j1", "DELETE /v1/datasets/v1"]
    assert "DELETE /v1/datasets/d1" not in api.sent()


@pytest.mark.parametrize(
    ("images", "options", "words"),
    [
        ([ARRAY], {"prompts": "s3://bucket/p.jsonl"}, "is not on this machine"),
        (".", {"prompts": "s3://bucket/p.jsonl"}, "is not on this machine"),
        ("list.jsonl", {"prompts": "s3://bucket/p.jsonl"}, "put list.jsonl into the bucket"),
        ("s3://bucket/a", {"prompts": "none.jsonl"}, "none.jsonl is not on this machine"),
        ("s3://bucket/a", {"prompts_format": "yolo"}, "there are no prompts"),
        ("s3://bucket/a", {"prompts": "."}, "is a folder; state the format of its labels, yolo, voc, fiftyone"),
        ("s3://bucket/a", {"prompts": ".", "prompts_format": "coco"}, "is a folder"),
    ],
)
def test_prompts_that_these_images_cannot_have_are_refused_before_anything_is_made(
    segment: Segment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: Any, options: dict[str, Any], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.jsonl").touch()
    api = ApiDouble(answers())
    with pytest.raises(PromptsNotSupported, match=words):
        segment(api, images, "mobile_sam", **options)
    assert [sent for sent in api.sent() if not sent.startswith("GET")] == []


def test_frames_of_files_are_chosen(segment: Segment, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"123")
    listed = {"GET /v1/datasets/d1/images": page(image(0, "clip.mp4/000003.png"))}
    api = ApiDouble(answers())
    segment(api, tmp_path / "clip.mp4", "mobile_sam", frame=3)
    assert (api.body(1)["frame"], api.uploaded_names()) == (3, ["clip.mp4"])  # the server reads only folders itself
    api = ApiDouble(answers(**{"POST /v1/datasets": dataset(image_count=1), **listed}))
    segment(api, tmp_path, "mobile_sam", frame=3)
    assert (api.body(1)["frame"], api.uploaded_names()) == (3, [])
    api = ApiDouble(answers())
    segment(api, [tmp_path / "clip.mp4"], "mobile_sam", frames={"count": 5})
    assert (api.body(1)["frames"], api.uploaded_names()) == ({"count": 5}, ["clip.mp4"])
    bucket = ApiDouble(answers(**{"POST /v1/datasets": dataset(), "GET /v1/datasets/d1": dataset()}))
    segment(bucket, "s3://bucket/films", "mobile_sam", frames="all")
    assert bucket.body(1) == {"source": "s3", "url": "s3://bucket/films", "frames": "all"}
    for place in ("s3://bucket/films.csv", "s3://bucket/films.zip"):
        server = ApiDouble(answers(**{"POST /v1/datasets": dataset(), "GET /v1/datasets/d1": dataset()}))
        segment(server, place, "mobile_sam", frame=3)
        assert server.body(1)["frame"] == 3
    with pytest.raises(InvalidInput, match="frame, the number of one, or frames"):
        segment(ApiDouble({}), tmp_path, "mobile_sam", frame=3, frames="all")
    with pytest.raises(ImagesInvalid, match="frames that it was made with"):
        segment(ApiDouble({}), "0a1b2c3d", "mobile_sam", frames="all")
