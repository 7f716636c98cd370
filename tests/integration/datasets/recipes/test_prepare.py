from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from pycocotools.coco import COCO

from fixtures.servers.dataset_files import asked, contents, picture, read, serve_by_url, wanted
from fixtures.servers.file_server import FileServer, Served
from fixtures.servers.small_disk import run_on_small_disk
from samfleet.datasets.annotations import read_annotations
from samfleet.datasets.matching import assign_image_ids
from samfleet.datasets.recipes.errors import (
    DatasetFolderTaken,
    DatasetFolderUnusable,
    DatasetHashMismatch,
    DatasetNoSpace,
    DatasetSourceFailed,
    DatasetSourceInvalid,
)
from samfleet.datasets.recipes.prepare import Prepared, prepare
from samfleet.licences import LicenceNotAccepted


@pytest.mark.parametrize("name", ["coco_val2017", "lvis_v1_val"])
def test_images_by_url_are_fetched_and_fit_the_intake(file_server: FileServer, tmp_path: Path, name: str) -> None:
    recipe, document = serve_by_url(file_server, name=name)
    prepared = prepare(wanted(recipe, tmp_path))
    images, annotations = document["images"], document["annotations"]
    assert prepared == Prepared(tmp_path / "set", len(images), len(annotations), len(images))
    names = [f"{image['id']:012}.jpg" for image in images]
    assert contents(tmp_path / "set") == {
        "annotations.json", "recipe.json", "sha256.txt", *(f"images/{name}" for name in names)
    }  # fmt: skip
    assert all((tmp_path / "set/images" / name).read_bytes() == picture(int(name[:12])) for name in names)
    found = read(tmp_path / "set/annotations.json")
    assert found["annotations"] == annotations
    assert found["categories"] == document["categories"]
    assert [{**image, "file_name": None} for image in found["images"]] == [
        {**image, "file_name": None} for image in images
    ]
    instances = read_annotations(lambda: io.BytesIO((tmp_path / "set/annotations.json").read_bytes()))
    assert assign_image_ids(names, instances.image_ids) == [image["id"] for image in images]
    assert len(instances.checked) == (len(images) if name == "lvis_v1_val" else 0)
    stated = read(tmp_path / "set/recipe.json")
    archive = file_server.files["/annotations.zip"].data
    assert (stated["name"], stated["version"], stated["limit"], stated["seed"]) == (name, recipe.version, None, 0)
    assert stated["sources"] == [
        {
            "url": f"{file_server.url}/annotations.zip",
            "sha256": sha256(archive).hexdigest(),
            "size_bytes": len(archive),
        }
    ]
    line = f"{sha256(picture(images[0]['id'])).hexdigest()}  images/{names[0]}"
    assert line in (tmp_path / "set/sha256.txt").read_text().splitlines()


def test_a_second_run_downloads_nothing(file_server: FileServer, tmp_path: Path) -> None:
    recipe, document = serve_by_url(file_server)
    first = prepare(wanted(recipe, tmp_path))
    file_server.requests.clear()
    assert prepare(wanted(recipe, tmp_path)) == replace(first, fetched=0)
    assert file_server.requests == []
    (tmp_path / "set/images" / f"{document['images'][2]['id']:012}.jpg").unlink()
    assert prepare(wanted(recipe, tmp_path)).fetched == 1
    assert asked(file_server) == [f"/val2017/{document['images'][2]['id']:012}.jpg"]


def test_a_sample_fetches_only_its_images(file_server: FileServer, tmp_path: Path) -> None:
    recipe, document = serve_by_url(file_server, images=9)
    prepared = prepare(wanted(recipe, tmp_path, limit=3, seed=5))
    found = read(tmp_path / "set/annotations.json")
    chosen = {image["id"] for image in found["images"]}
    assert (prepared.images, len(chosen), len(file_server.requests)) == (3, 3, 1 + 3)
    assert found["annotations"] == [one for one in document["annotations"] if one["image_id"] in chosen]
    other = replace(wanted(recipe, tmp_path, limit=3, seed=6), out=tmp_path / "other")
    prepare(other)
    assert {image["id"] for image in read(tmp_path / "other/annotations.json")["images"]} != chosen
    with pytest.raises(DatasetFolderTaken, match="with limit 3 and seed 5; name another folder"):
        prepare(wanted(recipe, tmp_path, limit=3, seed=6))


def test_nothing_is_fetched_before_the_terms_are_accepted(file_server: FileServer, tmp_path: Path) -> None:
    recipe, _ = serve_by_url(file_server)
    with pytest.raises(
        LicenceNotAccepted, match=r"COCO 2017 val are under Flickr-terms, which leave each image .* set"
    ):
        prepare(wanted(recipe, tmp_path, accepted=["SA-1B-terms"]))
    assert (file_server.requests, list(tmp_path.iterdir())) == ([], [])


def test_an_archive_with_another_hash_is_refused(file_server: FileServer, tmp_path: Path) -> None:
    recipe, _ = serve_by_url(file_server)
    assert recipe.archive
    wrong = replace(recipe, archive=replace(recipe.archive, md5="0" * 32))
    with pytest.raises(DatasetHashMismatch, match=r"has MD5 .*, expected is 0000"):
        prepare(wanted(wrong, tmp_path))
    assert contents(tmp_path) == set()
    assert prepare(wanted(recipe, tmp_path)).images == 6


def test_the_first_download_without_a_published_hash_is_pinned(file_server: FileServer, tmp_path: Path) -> None:
    recipe, _ = serve_by_url(file_server, name="lvis_v1_val")
    prepare(wanted(recipe, tmp_path, limit=1))
    archive = tmp_path / "downloads/annotations.zip"
    assert read(tmp_path / "downloads/pins.json") == {"annotations.zip": sha256(archive.read_bytes()).hexdigest()}
    archive.write_bytes(b"changed")
    with pytest.raises(DatasetHashMismatch, match="the first download had"):
        prepare(replace(wanted(recipe, tmp_path), out=tmp_path / "other"))
    archive.unlink()
    file_server.files["/annotations.zip"] = Served(b"another file")
    with pytest.raises(DatasetHashMismatch, match="sent another file"):
        prepare(replace(wanted(recipe, tmp_path), out=tmp_path / "other"))


def test_a_missing_image_is_named_and_the_others_stay(file_server: FileServer, tmp_path: Path) -> None:
    recipe, document = serve_by_url(file_server)
    path = f"/val2017/{document['images'][-1]['id']:012}.jpg"
    served = file_server.files.pop(path)
    with pytest.raises(DatasetSourceFailed, match=f"{path}: the server replied 404"):
        prepare(wanted(recipe, tmp_path))
    assert not (tmp_path / "set/recipe.json").exists()
    file_server.files[path] = served
    file_server.requests.clear()
    assert prepare(wanted(recipe, tmp_path)).images == 6
    assert path in asked(file_server)
    assert "/annotations.zip" not in asked(file_server)


def test_a_file_that_is_no_image_is_refused(file_server: FileServer, tmp_path: Path) -> None:
    recipe, document = serve_by_url(file_server)
    path = f"/val2017/{document['images'][0]['id']:012}.jpg"
    file_server.files[path] = Served(b"GIF89a")
    with pytest.raises(DatasetSourceInvalid, match="sent a file that cannot be segmented"):
        prepare(wanted(recipe, tmp_path))
    assert not (tmp_path / "set/images" / path.rpartition("/")[2]).exists()


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_archive_is_resumed(file_server: FileServer, tmp_path: Path, ranges: bool) -> None:
    recipe, _ = serve_by_url(file_server)
    served = file_server.files["/annotations.zip"]
    served.cuts = [100, 0]
    with pytest.raises(DatasetSourceFailed, match="after 100 bytes"):
        prepare(wanted(recipe, tmp_path))
    served.cuts, served.ranges = [], ranges
    file_server.requests.clear()
    assert prepare(wanted(recipe, tmp_path)).images == 6
    assert file_server.ranges()[0] == "bytes=100-"


KILLED = """
import os, sys
from pathlib import Path
from samfleet.datasets.recipes import prepare as module
from samfleet.datasets.recipes.record import Recipe, RemoteFile
from samfleet.licences import OF_DATASETS

def die(*_):
    os._exit(9)

archive, member = RemoteFile(sys.argv[2]), sys.argv[3]
recipe = Recipe("coco_val2017", "", "2017", "images_by_url", "", "", (), archive=archive, member=member)
folder = Path(sys.argv[1])
setattr(module, sys.argv[4], die)
module.prepare(module.Preparation(recipe, folder / "set", folder / "downloads", accepted=OF_DATASETS))
"""


@pytest.mark.parametrize("step", ["_fetch_missing", "write_file", "file_sha256"])
def test_a_killed_preparation_continues(
    file_server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The process dies before the images, before the annotations, and before the hashes of the images."""
    recipe, _ = serve_by_url(file_server)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    command = [sys.executable, "-c", KILLED, str(tmp_path), f"{file_server.url}/annotations.zip", recipe.member, step]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 9
    assert not (tmp_path / "set/recipe.json").exists()
    file_server.requests.clear()
    prepared = prepare(wanted(recipe, tmp_path))
    assert prepared.fetched == (6 if step == "_fetch_missing" else 0)
    assert "/annotations.zip" not in asked(file_server)
    assert len(COCO_of(tmp_path / "set").getImgIds()) == 6


def COCO_of(folder: Path) -> COCO:  # noqa: N802 - named as the class
    return COCO(folder / "annotations.json")


FULL_DISK = """
import sys
from pathlib import Path
from samfleet.datasets.recipes.errors import DatasetNoSpace
from samfleet.datasets.recipes.prepare import Preparation, prepare
from samfleet.datasets.recipes.record import Recipe, RemoteFile

recipe = Recipe("coco_val2017", "", "2017", "images_by_url", "", "", (), archive=RemoteFile(sys.argv[2]), member="-")
folder = Path(sys.argv[1])
try:
    prepare(Preparation(recipe, folder / "set", folder / "downloads"), free=lambda _: 10**9)
except DatasetNoSpace as error:
    print(error.message)
print([str(path) for path in folder.rglob("*.part")])
"""


def test_a_disk_that_fills_up_is_reported(
    file_server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_server.files["/large.zip"] = Served(bytes(600_000))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    message, parts = run_on_small_disk(FULL_DISK, tmp_path, 256, f"{file_server.url}/large.zip").splitlines()
    assert "the disk filled up" in message
    assert parts == "[]"


def test_a_full_disk_is_reported_before_the_transfer(file_server: FileServer, tmp_path: Path) -> None:
    recipe, _ = serve_by_url(file_server)
    with pytest.raises(DatasetNoSpace, match=r"annotations.zip: .* has 0\.0 MiB free"):
        prepare(wanted(recipe, tmp_path), free=lambda _: 10)


def test_other_files_in_the_folder_are_left_alone(file_server: FileServer, tmp_path: Path) -> None:
    recipe, _ = serve_by_url(file_server)
    (tmp_path / "set").mkdir()
    (tmp_path / "set/mine.txt").write_text("mine")
    with pytest.raises(DatasetFolderTaken, match="is not empty"):
        prepare(wanted(recipe, tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(DatasetFolderUnusable, match="cannot be used"):
        prepare(replace(wanted(recipe, tmp_path), out=tmp_path / "file"))
    assert file_server.requests == []


def test_a_changed_annotations_file_is_written_again(file_server: FileServer, tmp_path: Path) -> None:
    recipe, _ = serve_by_url(file_server)
    prepare(wanted(recipe, tmp_path))
    path = tmp_path / "set/annotations.json"
    right = path.read_bytes()
    path.write_bytes(right[:-10])
    assert prepare(wanted(recipe, tmp_path)).fetched == 0
    assert path.read_bytes() == right
