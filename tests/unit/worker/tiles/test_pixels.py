"""Tiles read by window have the same pixels as the image decoded whole."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fixtures.images.encoded_images import encoded, gradient, tiff
from samfleet.image_errors import ImageFailed, ImageTooLarge, ImageUnreadable
from samfleet.masks import large, tiff_windows
from samfleet.masks.large import PixelLimits, size_by_limits
from samfleet.masks.tiff_windows import TiffWindows
from samfleet_models.images.decode import read_image
from samfleet_worker.tiles.pixels import open_tiles

pytest.importorskip("rasterio")

SIZE = (200, 150)
WINDOW = (90, 40, 170, 140)
LIMITS = PixelLimits(100_000, 100_000)
BLOCKS = {"tile": (64, 64)}


def values(kind: str, *, bands: int = 1) -> NDArray[Any]:
    height, width = SIZE[::-1]
    found = np.random.default_rng(3).random((height, width, bands) if bands > 1 else (height, width))
    return (found * {"uint8": 255, "uint16": 65_535, "int16": 20_000}.get(kind, 900) - 3 * (kind == "float32")).astype(
        kind
    )


def with_gaps() -> NDArray[Any]:
    found = values("float32")
    found[3, 4], found[50:60, 50:60], found[7, 7] = np.nan, -9999.0, np.inf
    return found


FILES: dict[str, Callable[[], bytes]] = {
    "8-bit RGB": lambda: tiff(values("uint8", bands=3), photometric="rgb", **BLOCKS),
    "8-bit RGBA": lambda: tiff(values("uint8", bands=4), photometric="rgb", **BLOCKS),
    "8-bit grey in strips": lambda: tiff(values("uint8"), photometric="minisblack", rowsperstrip=8),
    "16-bit grey": lambda: tiff(values("uint16"), photometric="minisblack", **BLOCKS),
    "16-bit RGB": lambda: tiff(values("uint16", bands=3), photometric="rgb", **BLOCKS),
    "signed 16-bit grey": lambda: tiff(values("int16"), photometric="minisblack", **BLOCKS),
    "float with gaps": lambda: tiff(
        with_gaps(), photometric="minisblack", extratags=[(42113, "s", 0, "-9999", True)], **BLOCKS
    ),
}


def read_by_window(data: bytes) -> NDArray[np.uint8]:
    with open_tiles(data, LIMITS) as read:
        return np.asarray(Image.open(io.BytesIO(read(WINDOW))))


@pytest.mark.parametrize("name", FILES)
def test_a_window_has_the_pixels_of_the_whole_image(name: str) -> None:
    data = FILES[name]()
    opened = TiffWindows.open(data)
    assert opened is not None
    with opened:
        assert opened.size == SIZE
    x0, y0, x1, y1 = WINDOW
    np.testing.assert_array_equal(read_by_window(data), read_image(data)[y0:y1, x0:x1])


@pytest.mark.parametrize(
    "data",
    [
        encoded(gradient(*SIZE)),
        encoded(gradient(*SIZE).convert("P"), "TIFF"),
        encoded(gradient(*SIZE).convert("1"), "TIFF"),
        encoded(gradient(*SIZE), "TIFF", tiffinfo={274: 6}),
        tiff(values("uint8"), photometric="miniswhite", **BLOCKS),
    ],
    ids=["PNG", "palette", "1 bit", "turned", "white is zero"],
)
def test_others_are_decoded_whole(data: bytes) -> None:
    assert TiffWindows.open(data) is None
    width, height = size_by_limits(data, LIMITS)
    assert read_image(data).shape == (height, width, 3)
    x0, y0, x1, y1 = WINDOW
    np.testing.assert_array_equal(read_by_window(data), read_image(data)[y0:y1, x0:x1])


def test_limits_differ_by_the_way_of_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    data, png = FILES["8-bit RGB"](), encoded(gradient(*SIZE))
    assert size_by_limits(data, PixelLimits(100, 100_000)) == SIZE
    with pytest.raises(ImageTooLarge, match="the limit is 29999"):
        size_by_limits(data, PixelLimits(100, 29_999))
    with pytest.raises(ImageTooLarge, match=r"scale it down$"):
        size_by_limits(png, PixelLimits(100, 100_000))
    monkeypatch.setattr(tiff_windows, "MOST_BLOCK_BYTES", 100)
    with pytest.raises(ImageTooLarge, match="scale it down, or store it in tiles"):
        size_by_limits(data, PixelLimits(100, 100_000))
    for module in (tiff_windows, large):
        monkeypatch.setattr(module, "has_rasterio", lambda: False)
    with pytest.raises(ImageTooLarge, match=r"or install samfleet\[geo\] on the worker"):
        size_by_limits(data, PixelLimits(100, 100_000))


def test_damaged_blocks_are_an_error_of_the_image() -> None:
    data = tiff(values("uint8"), photometric="minisblack", compression="zlib", **BLOCKS)
    broken = bytearray(data)
    with open_tiles(data, LIMITS):
        pass
    start = data.index(b"x\x9c") if b"x\x9c" in data else data.index(b"x\xda")
    broken[start : start + 64] = b"\xff" * 64
    with pytest.raises(ImageUnreadable, match="pixels cannot be decoded"), open_tiles(bytes(broken), LIMITS) as read:
        read((0, 0, *SIZE))


def test_a_cut_file_fails() -> None:
    data = FILES["8-bit RGB"]()
    with pytest.raises(ImageFailed), open_tiles(data[: len(data) // 2], LIMITS) as read:
        read((0, 0, *SIZE))
