from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.servers.dataset_files import (
    asked,
    picture,
    read,
    serve_by_url,
    serve_sginw,
    wanted,
    write_sa_1b,
    write_uvo,
    zipped,
)
from fixtures.servers.file_server import FileServer, Served
from samfleet.datasets.annotations import read_annotations
from samfleet.datasets.recipes.errors import DatasetFilesMissing, DatasetSourceInvalid
from samfleet.datasets.recipes.prepare import prepare


def test_sets_of_one_archive_share_its_download(file_server: FileServer, tmp_path: Path) -> None:
    recipes, document = serve_sginw(file_server)
    for recipe in recipes:
        prepared = prepare(replace(wanted(recipe, tmp_path), out=tmp_path / recipe.name))
        names = {image["file_name"] for image in document["images"]}
        assert {path.name for path in (prepared.folder / "images").iterdir()} == names
        assert read(prepared.folder / "annotations.json")["annotations"] == document["annotations"]
    assert asked(file_server) == ["/seginw.zip"]


def test_a_copy_of_the_archive_is_used(file_server: FileServer, tmp_path: Path) -> None:
    recipes, _ = serve_sginw(file_server)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/seginw.zip").write_bytes(file_server.files["/seginw.zip"].data)
    assert prepare(wanted(recipes[0], tmp_path, given=tmp_path / "mine")).images == 3
    assert file_server.requests == []


def test_frames_of_videos_become_images(tmp_path: Path) -> None:
    recipe = write_uvo(tmp_path / "uvo")
    prepared = prepare(wanted(recipe, tmp_path, given=tmp_path / "uvo"))
    assert (prepared.images, prepared.annotations) == (6, 4)
    found = read(tmp_path / "set/annotations.json")
    assert [image["file_name"] for image in found["images"]][2:4] == ["clip1/2.png", "clip2/0.png"]
    assert [(one["id"], one["image_id"], one["category_id"]) for one in found["annotations"]] == [
        (1, 1, 1), (2, 2, 1), (3, 4, 1), (4, 5, 1)
    ]  # fmt: skip
    assert {(one["area"], tuple(one["bbox"])) for one in found["annotations"]} == {(256, (4.0, 4.0, 16.0, 16.0))}
    assert (tmp_path / "set/images/clip2/0.png").read_bytes() == picture(0, "PNG")
    instances = read_annotations(lambda: io.BytesIO((tmp_path / "set/annotations.json").read_bytes()))
    assert len(list(instances.annotations())) == 4
    sample = prepare(replace(wanted(recipe, tmp_path, given=tmp_path / "uvo", limit=2), out=tmp_path / "sample"))
    assert sample.images == 2
    whole = {one["id"]: one for one in found["annotations"]}
    assert all(whole[one["id"]] == one for one in read(tmp_path / "sample/annotations.json")["annotations"])


def test_shards_become_images_and_masks_without_categories(tmp_path: Path) -> None:
    recipe = write_sa_1b(tmp_path / "shards")
    prepared = prepare(wanted(recipe, tmp_path, given=tmp_path / "shards", limit=4))
    found = read(tmp_path / "set/annotations.json")
    assert (prepared.images, len(found["images"])) == (4, 4)
    assert {one["category_id"] for one in found["annotations"]} == {1}
    assert all((tmp_path / "set/images" / image["file_name"]).is_file() for image in found["images"])
    assert [one["url"] for one in read(tmp_path / "set/recipe.json")["sources"]] == ["sa_000020.tar", "sa_000021.tar"]
    instances = read_annotations(lambda: io.BytesIO((tmp_path / "set/annotations.json").read_bytes()))
    assert len(list(instances.annotations())) == prepared.annotations > 0


@pytest.mark.parametrize(
    ("write", "message"),
    [(write_uvo, "needs VideoDenseSet/UVO_video_val_dense.json in .*download VideoDenseSet"), (write_sa_1b, "shards")],
)
def test_files_that_a_person_must_get_are_named(tmp_path: Path, write: Any, message: str) -> None:
    recipe = write(tmp_path / "given")
    (tmp_path / "empty").mkdir()
    for given in (None, tmp_path / "empty"):
        with pytest.raises(DatasetFilesMissing, match=message):
            prepare(wanted(recipe, tmp_path, given=given))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no zip", "cannot be read"),
        ({"other.json": b"{}"}, "has no member annotations/instances_val2017.json"),
        ({"annotations/instances_val2017.json": b'{"images": [{]}'}, "cannot be read: is not JSON"),
        ({"annotations/instances_val2017.json": b'{"images": [{"id": 1}]}'}, "no coco_url"),
        (
            {"annotations/instances_val2017.json": b'{"images": [{"id": 1, "coco_url": "http://a/.."}]}'},
            "not a plain relative path",
        ),
        ({"annotations/instances_val2017.json": b'{"images": [{"id": "x"}]}'}, "no whole number 'id'"),
    ],
)
def test_damaged_sources_are_refused(file_server: FileServer, tmp_path: Path, content: Any, message: str) -> None:
    recipe, _ = serve_by_url(file_server)
    data = content if isinstance(content, bytes) else zipped(content)
    file_server.files["/annotations.zip"] = Served(data)
    assert recipe.archive
    changed = replace(recipe, archive=replace(recipe.archive, size_bytes=None, md5=None))
    with pytest.raises(DatasetSourceInvalid, match=message):
        prepare(wanted(changed, tmp_path))
    assert not (tmp_path / "set/recipe.json").exists()
