"""Exports of large images, which are drawn in bands of rows."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fixtures.export_rows import PROVENANCE, SIZE, difficult_rows, image_row, unzipped
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import encode_runs
from samfleet.masks.runs import Runs

LARGE = (2000, 3000)  # height, width
MOST_BYTES = 6_000_000  # one mask as bool


def photograph(_: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(7).integers(1, 256, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def decoded(name: str, content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content))).tolist() if name.endswith(".png") else content


@pytest.mark.parametrize("form", ["png", "png_masks", "voc", "cutouts"])
def test_pictures_in_bands_have_the_pixels_of_those_in_one(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ExportSource(lambda: iter(difficult_rows()), (), PROVENANCE, photograph)
    whole = unzipped(FORMATS[form], source)
    monkeypatch.setattr("samfleet.masks.bands.BAND_PIXELS", 100)
    banded = unzipped(FORMATS[form], source)
    assert whole != banded
    assert {name: decoded(name, content) for name, content in banded.items()} == {
        name: decoded(name, content) for name, content in whole.items()
    }
    for name, content in banded.items():
        if name.endswith(".png"):
            with Image.open(io.BytesIO(content)) as here, Image.open(io.BytesIO(whole[name])) as there:
                assert (here.mode, here.getpalette()) == (there.mode, there.getpalette())


@pytest.mark.parametrize("form", ["cvat", "label_studio"])
def test_run_lengths_in_bands_are_those_of_the_mask(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ExportSource(lambda: iter(difficult_rows()), (), PROVENANCE, None)
    whole = b"".join(FORMATS[form].write(source, ExportOptions()))
    monkeypatch.setattr("samfleet.masks.bands.BAND_PIXELS", 100)
    assert b"".join(FORMATS[form].write(source, ExportOptions())) == whole


def large_mask(left: int, top: int, right: int, bottom: int) -> dict[str, Any]:
    """Return a rectangle of a large image, made without drawing it."""
    columns = np.arange(left, right, dtype=np.int64) * LARGE[0]
    runs = Runs(LARGE, 1, np.zeros(len(columns), np.int64), columns + top, columns + bottom)
    box = (left, top, right - left - 1, bottom - top - 1)
    return MaskRecord(encode_runs(runs)[0], LARGE, int(runs.areas()[0]), box, 0.9, 0.9).to_dict()


@pytest.mark.parametrize(
    "form", ["png", "png_masks", "voc", "cvat", "label_studio", "coco", "coco_polygons", "geojson"]
)
def test_large_masks_are_never_drawn_whole(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samfleet.masks.bands.BAND_PIXELS", 2**17)
    monkeypatch.setattr("samfleet.masks.polygons.MOST_DRAWN", 2**17)
    masks = [large_mask(100, 100, 2900, 1900), large_mask(0, 0, 3000, 1000), large_mask(2000, 1500, 2200, 1600)]
    source = ExportSource(lambda: iter([image_row(1, "a.tif", *masks, size=LARGE)]), (), PROVENANCE, None)
    list(FORMATS[form].write(ExportSource(lambda: iter(difficult_rows()), (), PROVENANCE, None), ExportOptions()))
    tracemalloc.start()  # after the imports
    try:
        written = sum(len(chunk) for chunk in FORMATS[form].write(source, ExportOptions()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert written
    assert peak < MOST_BYTES, f"{peak / 1e6:.0f} MB"
