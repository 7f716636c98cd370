"""Exports that show the images: cutouts, overlays and contact sheets."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fixtures.export_rows import PROVENANCE, SIZE, difficult_rows, image_row, mask_row, shapes, unzipped
from fixtures.images.encoded_images import tiff
from samfleet.datasets.s3_sources import BucketNotAllowed, S3ProfileUnknown
from samfleet.datasets.url_sources import UrlNotAllowed
from samfleet.errors import Unavailable
from samfleet.exports.errors import ExportFailed
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportFormat, ExportOptions, ExportSource
from samfleet.image_errors import ImageMissing
from samfleet.masks.large import PixelLimits
from samfleet.storage.store import BucketNotFound

CUTOUTS, OVERLAYS, SHEETS = FORMATS["cutouts"], FORMATS["overlays"], FORMATS["contact_sheet"]
ALL = pytest.mark.parametrize("form", [CUTOUTS, OVERLAYS, SHEETS])
COLOURS = np.random.default_rng(7).integers(1, 256, (*SIZE, 3), dtype=np.uint8)


def png(pixels: Any = COLOURS, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **options)
    return file.getvalue()


def source(rows: list[dict[str, Any]], read: Callable[[int], bytes] | None = None, **fields: Any) -> ExportSource:
    return ExportSource(lambda: iter(rows), (), PROVENANCE, read or (lambda _: png()), **fields)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def report(members: dict[str, bytes]) -> Any:
    return json.loads(members["report.json"])


def test_cutouts_have_the_colours_of_the_image_inside_the_mask_only() -> None:
    members = unzipped(CUTOUTS, source(difficult_rows()))
    for number, bits in enumerate(shapes().values()):
        name = f"cutouts/a/{number}.png"
        if not bits.any():
            assert name not in members
            continue
        picture = opened(members[name])
        ys, xs = np.nonzero(bits)
        place = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        expected = np.dstack([COLOURS, np.full(SIZE, 255, np.uint8)]) * bits[:, :, None]
        assert picture.mode == "RGBA"
        assert np.array_equal(np.asarray(picture), expected[place])
    folders = {name.rpartition("/")[0] for name in members if name.startswith("cutouts/")}
    assert folders == {f"cutouts/{one}" for one in ("a", "a.png", "sub folder/bild ä", "provenance")}
    assert report(members) == {"images": 4, "left_out": []}


def test_cutouts_are_those_of_the_upright_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = np.rot90(COLOURS).copy()
    members = unzipped(
        CUTOUTS, source([image_row(1, "a.jpg", mask_row(shapes()["border"]))], lambda _: png(lying, exif=exif))
    )
    found = np.asarray(opened(members["cutouts/a/0.png"]))
    assert np.array_equal(found[:, :, :3], COLOURS[:12, :40])


@ALL
def test_images_that_are_missing_or_changed_are_named_and_the_others_shown(form: ExportFormat) -> None:
    def read(number: int) -> bytes:
        if number == 101:
            raise ImageMissing("a.jpg does not exist")
        return {102: png(COLOURS[:20]), 104: b"", 106: png()[:500]}.get(number, png())

    rows = [*difficult_rows(), image_row(7, "good.jpg", mask_row(shapes()["hole"]))]
    members = unzipped(form, source(rows, read))
    found = {one["file_name"]: one["code"] for one in report(members)["left_out"]}
    assert found == {
        "a.jpg": "image_missing",
        "a.png": "source_changed",
        "sub folder/bild ä.jpg": "image_empty",
        "provenance.png": found["provenance.png"],
    }
    assert found["provenance.png"] in {"image_unreadable", "image_truncated"}
    message = report(members)["left_out"][1]["message"]
    assert message == "the image has 40 x 20 pixels, and had 40 x 30 when it was segmented"
    assert report(members)["images"] == (1 if form is CUTOUTS else 2)  # sub/a.jpg has no masks
    assert [name for name in members if not name.endswith(".json")]


@ALL
def test_images_whose_source_is_not_allowed_any_more_are_named(form: ExportFormat) -> None:
    errors = {
        101: BucketNotAllowed("s3://a/a.jpg"),
        102: UrlNotAllowed("b"),
        104: S3ProfileUnknown("c"),
        106: BucketNotFound("d"),
    }

    def read(number: int) -> bytes:
        if number in errors:
            raise errors[number]
        return png()

    rows = [*difficult_rows(), image_row(7, "good.jpg", mask_row(shapes()["hole"]))]
    left_out = report(unzipped(form, source(rows, read)))["left_out"]
    assert [(one["file_name"], one["code"]) for one in left_out] == [
        ("a.jpg", "bucket_not_allowed"),
        ("a.png", "url_not_allowed"),
        ("sub folder/bild ä.jpg", "s3_profile_unknown"),
        ("provenance.png", errors[106].code),
    ]


@ALL
def test_an_image_with_more_pixels_than_allowed_is_named(form: ExportFormat) -> None:
    members = unzipped(
        form, source([image_row(1, "a.jpg", mask_row(shapes()["hole"]))], limits=PixelLimits(1199, 1199))
    )
    assert [one["code"] for one in report(members)["left_out"]] == ["image_too_large"]


@ALL
def test_a_store_that_does_not_respond_ends_the_export_for_now(form: ExportFormat) -> None:
    def read(_: int) -> bytes:
        raise Unavailable("the store does not respond")

    with pytest.raises(Unavailable):
        list(form.write(source(difficult_rows(), read), ExportOptions()))


@ALL
def test_a_process_without_images_says_so(form: ExportFormat) -> None:
    rows = difficult_rows()
    with pytest.raises(ExportFailed, match="cannot read them"):
        list(form.write(ExportSource(lambda: iter(rows), (), PROVENANCE, None), ExportOptions()))


@ALL
def test_a_run_without_images_gives_a_zip_with_a_report(form: ExportFormat) -> None:
    assert list(unzipped(form, source([image_row(1, "broken.jpg", size=None)]))) == ["report.json", "provenance.json"]


def test_overlays_tint_the_masks_of_each_image() -> None:
    grey = np.full((*SIZE, 3), 128, np.uint8)
    members = unzipped(OVERLAYS, source(difficult_rows(), lambda _: png(grey)))
    names = [name for name in members if name.endswith(".jpg")]
    assert names == [f"overlays/{one}.jpg" for one in ("a", "a.png", "sub/a", "sub folder/bild ä", "provenance")]
    found = np.asarray(opened(members["overlays/a.png.jpg"])).astype(int)
    spread = found.max(axis=2) - found.min(axis=2)
    inside = np.pad(np.ones((4, 12), bool), ((5, 21), (6, 22)))  # rows 5 to 8 inside the mask, above its hole
    assert spread[inside & shapes()["hole"]].min() > 40
    assert spread[24:, 24:].max() < 12
    plain = np.asarray(opened(members["overlays/sub/a.jpg"])).astype(int)
    assert np.abs(plain - 128).max() < 3


def test_a_sheet_has_30_tiles_and_the_next_one_the_rest() -> None:
    rows = [image_row(number, f"folder/name {number} \x01ä.jpg") for number in range(33)]
    members = unzipped(SHEETS, source(rows))
    assert list(members) == ["sheet_00001.jpg", "sheet_00002.jpg", "report.json", "provenance.json"]
    sizes = [opened(members[f"sheet_0000{number}.jpg"]).size for number in (1, 2)]
    assert sizes == [(5 * 328 + 8, 6 * 348 + 8), (3 * 328 + 8, 348 + 8)]


def test_images_are_read_one_at_a_time() -> None:
    """The zip is sent while later images have not been read."""
    read: list[int] = []

    def remember(number: int) -> bytes:
        read.append(number)
        return png()

    rows = [image_row(number, f"{number}.jpg", mask_row(shapes()["hole"])) for number in range(9)]
    chunks = OVERLAYS.write(source(rows, remember), ExportOptions())
    assert next(chunks)
    assert len(read) == 1


@ALL
def test_a_tiff_beyond_the_limit_is_read_by_window(form: ExportFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rasterio")
    data = tiff(COLOURS, photometric="rgb", tile=(16, 16), compression="zlib")
    rows = [image_row(1, "a.tif", *map(mask_row, shapes().values()))]
    whole = unzipped(form, source(rows, lambda _: data))
    monkeypatch.setattr("samfleet.masks.pictures.BAND_PIXELS", 200)
    assert unzipped(form, source(rows, lambda _: data, limits=PixelLimits(1199, 1200))) == whole
    damaged = data[: len(data) // 2] + b"\xff" * 64 + data[len(data) // 2 + 64 :]
    by_window = unzipped(form, source(rows, lambda _: damaged, limits=PixelLimits(1199, 1200)))
    assert [one["code"] for one in report(by_window)["left_out"]] == ["image_unreadable"]
