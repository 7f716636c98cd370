from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fixtures.api.api_double import dataset
from samfleet.client.images import ExistingDataset, ImagesInvalid, Pictures, source_of
from samfleet.client.local_source import Source
from samfleet.client.schemas import Dataset
from samfleet.client.server_sources import ArchiveSource, BucketSource, ManifestSource
from samfleet.datasets.names import FileNameInvalid

ARRAY = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def pictures(images: Any) -> Pictures:
    source = source_of(images)
    assert isinstance(source, Pictures)
    return source


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_text_is_a_path_before_it_is_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert source_of("0a1b2c3d") == ExistingDataset("0a1b2c3d")
    (tmp_path / "0a1b2c3d").mkdir()
    assert source_of("0a1b2c3d") == Source(Path("0a1b2c3d"))
    assert source_of(tmp_path) == Source(tmp_path)
    (tmp_path / "list.csv").touch()
    (tmp_path / "photos.zip").mkdir()
    assert source_of("list.csv") == ManifestSource("list.csv")
    assert source_of("s3://bucket/a/list.PARQUET") == ManifestSource("s3://bucket/a/list.PARQUET")
    assert source_of("s3://bucket/shard.tar.gz") == ArchiveSource("s3://bucket/shard.tar.gz")
    assert source_of("photos.zip") == Source(Path("photos.zip"))
    for bucket in ("s3://bucket/a", "s3://bucket/**/*.csv", "s3://bucket/a.csv/"):
        assert isinstance(source_of(bucket), BucketSource)
    assert source_of(Dataset.model_validate(dataset())) == ExistingDataset("d1")


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (ARRAY, ["000000.png"]),
        (np.stack([ARRAY, ARRAY]), ["000000.png", "000001.png"]),
        ([ARRAY[:, :, 0], ARRAY[:, :, :1]], ["000000.png", "000001.png"]),
        (Image.fromarray(ARRAY), ["000000.png"]),
        (png(Image.fromarray(ARRAY)), ["000000.png"]),
        ([b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBPVP8 ", b"BM12", b"II*\0"],
         ["000000.jpg", "000001.webp", "000002.bmp", "000003.tif"]),
    ],
    ids=["array", "stack", "grey arrays", "picture", "bytes", "list of bytes"],
)  # fmt: skip
def test_images_in_memory_are_named_by_their_position(images: Any, names: list[str]) -> None:
    found = pictures(images)
    assert [one.name for one in found.named()] == names
    assert found.count == len(names)


def test_files_are_named_below_their_common_folder(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "1.png", tmp_path / "b" / "1.png"]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(b"123")
    assert [one.name for one in pictures(paths).named()] == ["a/1.png", "b/1.png"]
    assert [one.name for one in pictures([str(paths[1])]).named()] == ["1.png"]
    assert [one.name for one in pictures([paths[0], ARRAY]).named()] == ["000000-1.png", "000001.png"]
    assert [one.name for one in pictures(iter(paths)).named()] == ["000000-1.png", "000001-1.png"]


def test_pixels_arrive_as_the_caller_sees_them() -> None:
    turned = Image.fromarray(ARRAY)
    turned.getexif()[0x0112] = 6
    for given in (ARRAY, turned, Image.fromarray(ARRAY).convert("RGBA")):
        (sent,) = pictures([given]).named()
        assert isinstance(sent.content, bytes)
        with Image.open(io.BytesIO(sent.content)) as read:
            assert np.array_equal(np.asarray(read)[:, :, :3], ARRAY)
            assert not read.getexif()
            assert sent.size_bytes == len(sent.content)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV"])
def test_pictures_in_other_colours_become_rgb(mode: str) -> None:
    (sent,) = pictures(Image.new(mode, (3, 2))).named()
    assert isinstance(sent.content, bytes)
    with Image.open(io.BytesIO(sent.content)) as read:
        assert read.mode == "RGB"


@pytest.mark.parametrize(
    ("images", "why"),
    [
        ([], "no images"),
        ("nowhere/photos", "no file or folder"),
        ([ARRAY.astype(np.float32)], "float32"),
        ([ARRAY, np.zeros((2, 2, 2), np.uint8)], "image 1 .* shape"),
        ([np.zeros((0, 2), np.uint8)], "shape"),
        (np.zeros(3, np.uint8), "shape"),
        ([b"hello"], "bytes of image 0"),
        ([b""], "bytes of image 0"),
        ([7], "type int"),
        (7, "type int"),
        ([None], "NoneType"),
        (["s3://bucket/a.jpg"], "alone"),
        (["nowhere.jpg"], "nowhere.jpg"),
        (["."], "folder alone"),
    ],
)
def test_what_is_no_image_is_refused_at_once(images: Any, why: str) -> None:
    with pytest.raises(ImagesInvalid, match=why):
        source_of(images)


@pytest.mark.parametrize("mode", ["F", "I;16", "I"])
def test_pictures_of_more_than_eight_bits_are_refused(mode: str) -> None:
    with pytest.raises(ImagesInvalid, match="mode"):
        list(pictures(Image.new(mode, (3, 2))).named())


def test_a_file_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    with pytest.raises(ImagesInvalid, match="more than once"):
        source_of([tmp_path / "a.png", f"{tmp_path}/./a.png"])


@pytest.mark.parametrize("name", ['a"b.png', "a\\b.png", "a\nb.png"])
def test_names_that_no_upload_can_send_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"1")
    with pytest.raises((ImagesInvalid, FileNameInvalid), match=r"rename|backslash"):
        list(pictures([tmp_path / name]).named())
