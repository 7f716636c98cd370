from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from fixtures.api.api_double import ApiDouble, dataset, image, page, refusal
from fixtures.api.folder_uploads import UPLOAD, folder
from samfleet.client import uploads
from samfleet.client.create_dataset import DatasetNotListed, PromptedSource, create_dataset
from samfleet.client.label_folders import pack_labels
from samfleet.client.local_source import Source
from samfleet.client.server_sources import BucketSource, SourceNotSupported
from samfleet.client.transport import ApiError
from samfleet.client.uploads import BATCH_FILES, UploadProgress
from samfleet.client.wait import Clock
from samfleet.datasets.folder_walk import FolderWalk, FoundImage
from samfleet.datasets.names import FileNameInvalid

__all__ = ["folder"]


def test_files_are_sorted_by_relative_name(folder: Path) -> None:
    assert [file.name for file in Source(folder).files().images()] == ["a/z.png", "b.JPG"]
    assert [file.name for file in Source(folder, limit=1).files().images()] == ["a/z.png"]


def test_a_source_without_images_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    api = ApiDouble({})
    with pytest.raises(match=r"\.webp"):
        create_dataset(api.client(), Source(tmp_path))
    note = tmp_path / "note.txt"
    note.touch()
    with pytest.raises(SourceNotSupported):
        create_dataset(api.client(), Source(note))
    assert api.requests == []


def test_a_folder_that_the_server_reads_is_not_sent(folder: Path) -> None:
    api = ApiDouble(
        {
            "POST /v1/datasets": dataset(),
            "GET /v1/datasets/d1/images": page(image(0, "a/z.png"), image(1, "b.JPG")),
        }
    )
    assert create_dataset(api.client(), Source(folder)).id == "d1"
    assert api.body(0)["directory"] == str(folder)


@pytest.mark.parametrize("code", ["directory_not_allowed", "directory_not_found"])
def test_a_folder_that_the_server_cannot_read_is_sent(folder: Path, tmp_path: Path, code: str) -> None:
    annotations = tmp_path / "instances.json"
    annotations.write_text("{}")
    api = ApiDouble({"POST /v1/datasets": [refusal(403, code), dataset(id="u1", state="open")], **UPLOAD})
    shown: list[UploadProgress] = []
    detections = tmp_path / "detections.json"
    detections.write_text("[]")
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("{}")
    source = Source(folder, annotations, detections=detections, prompts=prompts, prompts_format="csv")
    sealed = create_dataset(api.client(), source, on_progress=shown.append)
    assert dict(api.requests[-1].url.params) == {}
    assert api.body(0)["detections_path"] == str(detections)
    assert (api.body(0)["prompts_path"], api.body(0)["prompts_format"]) == (str(prompts), "csv")
    assert sealed.source == "upload"
    assert api.uploaded_names() == ["a/z.png", "b.JPG"]
    assert shown == [UploadProgress(0, 2), UploadProgress(2, 2)]
    assert api.sent()[1:] == [
        "POST /v1/datasets",
        "PUT /v1/datasets/u1/prompts",
        "POST /v1/datasets/u1/images/by-hash",
        "POST /v1/datasets/u1/images",
        "PUT /v1/datasets/u1/annotations",
        "PUT /v1/datasets/u1/detections",
        "POST /v1/datasets/u1/seal",
    ]


def test_a_different_folder_at_the_same_server_path_is_uploaded_instead(folder: Path) -> None:
    api = ApiDouble(
        {
            "POST /v1/datasets": [dataset(), dataset(id="u1", state="open")],
            "GET /v1/datasets/d1/images": page(image(0, "a/z.png"), image(1, "b.JPG", size_bytes=99)),
            **UPLOAD,
        }
    )
    assert create_dataset(api.client(), Source(folder)).id == "u1"


def test_files_are_looked_at_again_when_the_server_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    measured = FolderWalk.measured

    def count(walk: FolderWalk, name: str) -> FoundImage:
        looked_at.append(name)
        return measured(walk, name)

    monkeypatch.setattr(FolderWalk, "measured", count)
    monkeypatch.setattr(uploads, "ASKED_FILES", BATCH_FILES)
    for number in range(2 * BATCH_FILES):
        (folder / f"{number:03}.png").write_bytes(b"123")
    api = ApiDouble({"POST /v1/datasets": dataset(id="u1", state="open"), **UPLOAD})
    seen: list[int] = []
    create_dataset(api.client(), Source(folder), upload=True, on_progress=lambda _: seen.append(len(looked_at)))
    images = 2 * BATCH_FILES + 2
    assert seen == [images, images + BATCH_FILES + 1, images + 2 * BATCH_FILES + 1, 2 * images]
    assert api.uploaded_names() == looked_at[:images]


def test_files_that_the_server_has_are_not_sent(folder: Path) -> None:
    answers = {**UPLOAD, "POST /v1/datasets/u1/images/by-hash": {"missing": ["b.JPG"], "added": 1, "present": 0}}
    api = ApiDouble({"POST /v1/datasets": dataset(id="u1", state="open"), **answers})
    shown: list[UploadProgress] = []
    create_dataset(api.client(), Source(folder), upload=True, on_progress=shown.append)
    asked = {"size_bytes": 3, "sha256": "a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3"}
    assert api.body(1) == {"files": [{"name": "a/z.png", **asked}, {"name": "b.JPG", **asked}]}
    assert api.uploaded_names() == ["b.JPG"]
    assert shown == [UploadProgress(0, 2), UploadProgress(1, 2, 1), UploadProgress(2, 2, 1)]


LISTING = dataset(state="listing", image_count=0, listed=7)


def not_listed(code: str) -> dict[str, Any]:
    return dataset(state="failed", error={"code": code, "message": f"{code}: do this"})


def test_the_client_waits_until_a_task_has_listed_the_folder(folder: Path) -> None:
    api = ApiDouble(
        {
            "POST /v1/datasets": LISTING,
            "GET /v1/datasets/d1": [
                refusal(503, "database_unavailable"),
                dataset(**{**LISTING, "listed": 9}),
                dataset(),
            ],
            "GET /v1/datasets/d1/images": page(image(0, "a/z.png"), image(1, "b.JPG")),
        }
    )
    shown: list[int] = []
    slept: list[float] = []
    clock = Clock(lambda: 0.0, slept.append)
    made = create_dataset(api.client(), Source(folder), on_listing=lambda one: shown.append(one.listed), clock=clock)
    assert (made.state, shown) == ("sealed", [7, 9])
    assert len(slept) == 2


def test_a_folder_that_the_server_could_not_list_is_an_error(folder: Path) -> None:
    api = ApiDouble(
        {
            "POST /v1/datasets": LISTING,
            "GET /v1/datasets/d1": not_listed("annotations_invalid"),
            "DELETE /v1/datasets/d1": {},
        }
    )
    with pytest.raises(DatasetNotListed, match=r"annotations_invalid: do this \[annotations_invalid\]"):
        create_dataset(api.client(), Source(folder), clock=Clock(lambda: 0.0, lambda _seconds: None))
    assert api.sent()[-1] == "DELETE /v1/datasets/d1"


def test_a_folder_that_a_task_of_the_server_cannot_read_is_sent(folder: Path) -> None:
    answers = {"DELETE /v1/datasets/d1": {}, "GET /v1/datasets/d1": not_listed("directory_unreadable"), **UPLOAD}
    api = ApiDouble({"POST /v1/datasets": [LISTING, dataset(id="u1", state="open")], **answers})
    assert create_dataset(api.client(), Source(folder), clock=Clock(lambda: 0.0, lambda _seconds: None)).id == "u1"


def test_other_refusals_are_errors(folder: Path) -> None:
    api = ApiDouble({"POST /v1/datasets": refusal(422, "annotations_invalid")})
    with pytest.raises(ApiError, match="annotations_invalid"):
        create_dataset(api.client(), Source(folder))


def test_uploads_can_be_requested_and_go_in_batches(tmp_path: Path) -> None:
    for index in range(BATCH_FILES + 1):
        (tmp_path / f"{index:03}.png").write_bytes(b"x")
    api = ApiDouble({"POST /v1/datasets": dataset(id="u1", state="open"), **UPLOAD})
    create_dataset(api.client(), Source(tmp_path), upload=True)
    assert api.sent().count("POST /v1/datasets/u1/images") == 2
    assert api.body(0) == {"source": "upload", "name": tmp_path.name}


def test_one_image_is_a_dataset_of_one(folder: Path) -> None:
    api = ApiDouble({"POST /v1/datasets": dataset(id="u1", state="open"), **UPLOAD})
    create_dataset(api.client(), Source(folder / "b.JPG"))
    assert api.uploaded_names() == ["b.JPG"]


def test_names_that_cannot_be_uploaded_are_left_out_and_reported(tmp_path: Path) -> None:
    for name in ('a "b".png', "c\\d.png", os.fsdecode(b"e\xff.png"), "good.png"):
        (tmp_path / name).write_bytes(b"x")
    api = ApiDouble({"POST /v1/datasets": dataset(id="u1", state="open"), **UPLOAD})
    create_dataset(api.client(), Source(tmp_path), upload=True)
    assert api.uploaded_names() == ["good.png"]
    examples = ['a "b".png', "c\\d.png", "e\\xff.png"]
    assert api.body(0)["left_out"] == [{"reason": "name", "count": 3, "examples": examples}]


def test_an_upload_without_any_valid_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'a "b".png').touch()
    api = ApiDouble({})
    with pytest.raises(FileNameInvalid, match="with names that cannot be sent"):
        create_dataset(api.client(), Source(tmp_path), upload=True)
    assert api.requests == []


def test_an_upload_applies_and_reports_the_file_filter_of_the_server(folder: Path) -> None:
    (folder / ".thumbnails").mkdir()
    (folder / ".thumbnails" / "t.png").touch()
    api = ApiDouble({"POST /v1/datasets": dataset(id="u1", state="open"), **UPLOAD})
    create_dataset(api.client(), Source(folder), upload=True)
    assert api.uploaded_names() == ["a/z.png", "b.JPG"]
    assert [one["reason"] for one in api.body(0)["left_out"]] == ["hidden", "other"]
    create_dataset(api.client(), Source(folder, hidden=True), upload=True)
    assert ".thumbnails/t.png" in api.uploaded_names()


def test_hidden_files_are_requested_for_a_server_path(folder: Path) -> None:
    images = page(image(0, "a/z.png"), image(1, "b.JPG"))
    api = ApiDouble({"POST /v1/datasets": dataset(), "GET /v1/datasets/d1/images": images})
    create_dataset(api.client(), Source(folder, hidden=True))
    assert api.body(0)["include_hidden"] is True


@pytest.mark.parametrize("upload", [False, True])
def test_strict_annotations_are_requested_for_paths_and_uploads(folder: Path, upload: bool) -> None:
    images = page(image(0, "a/z.png"), image(1, "b.JPG"))
    made = dataset(id="u1") if upload else dataset()
    api = ApiDouble({"POST /v1/datasets": made, "GET /v1/datasets/d1/images": images, **UPLOAD})
    source = Source(folder, folder / "a" / "notes.txt", strict_annotations=True)
    create_dataset(api.client(), source, upload=upload)
    if upload:
        assert api.requests[-1].url.params["strict_annotations"] == "true"
    else:
        assert api.body(0)["strict_annotations"] is True


def test_prompts_beyond_the_limit_are_left_out_of_an_upload(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("{}")
    api = ApiDouble({"POST /v1/datasets": dataset(id="u1", state="open"), **UPLOAD})
    create_dataset(api.client(), Source(folder, limit=1, prompts=tmp_path / "prompts.jsonl"), upload=True)
    assert dict(api.requests[-1].url.params) == {"skip_other_prompts": "true"}
    listed = {
        "POST /v1/datasets": dataset(source="s3"),
        "POST /v1/datasets/d1/versions": dataset(id="u1", state="open"),
        "DELETE /v1/datasets/d1": None,
    }
    api = ApiDouble({**listed, **UPLOAD})
    source = PromptedSource(BucketSource("s3://photos", {"limit": 1}), tmp_path / "prompts.jsonl")
    create_dataset(api.client(), source)
    assert dict(api.requests[-2].url.params) == {"skip_other_prompts": "true"}


def test_folders_of_old_labels_are_packed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.1 0.1")
    os.utime(tmp_path / "a.txt", (0, 0))  # 1970, which zip files cannot state
    packed = io.BytesIO()
    pack_labels(tmp_path, packed)
    assert zipfile.ZipFile(packed).namelist() == ["labels/a.txt"]
