"""Masks of images as PNG files: bits, label maps, and the tables beside them.

Large images are drawn in bands of rows, so that memory grows neither with their masks nor with their pixels.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samfleet.exports.errors import ExportTooManyMasks
from samfleet.exports.formats.png_bands import png_in_bands
from samfleet.jobs.coco_files import BoxForm, box_of
from samfleet.masks.bands import Box, bands_of, runs_of
from samfleet.masks.run_sets import drawn_in

MOST_OF_8_BITS = 255
MOST_OF_16_BITS = 65_535
ADVICE = "leave small or uncertain ones out by min_area or min_score, or use another format"
COLOURS = 256


def box_of_mask(mask: Mapping[str, Any]) -> Box:
    """Return the box of a mask's pixels; without pixels for an empty mask."""
    left, top, width, height = map(int, box_of(mask, BoxForm.PIXELS))
    return left, top, left + width, top + height


@dataclass(slots=True)
class LabelMap:
    """Masks of an image painted over each other, the largest first and small ones on top.

    0 is the background, n the n-th mask. Of two equal areas the later mask is on top. `visible` counts the pixels that
    each mask shows, once all bands are drawn; no later mask covers them.
    """

    size: tuple[int, int]  # height, width
    masks: Sequence[Mapping[str, Any]]
    visible: Sequence[int] = field(default=(), init=False)

    def bands(self) -> Iterator[NDArray[Any]]:
        """Yield bands of rows from top to bottom: [rows, width], uint8 or uint16."""
        kind = np.uint8 if len(self.masks) <= MOST_OF_8_BITS else np.uint16
        boxes = np.array([box_of_mask(mask) for mask in self.masks], dtype=np.int64).reshape(-1, 4)
        order = np.array(sorted(range(len(self.masks)), key=lambda place: -self.masks[place]["area"]), dtype=np.int64)
        visible = np.zeros(len(self.masks) + 1, dtype=np.int64)
        height, width = self.size
        for band in bands_of((0, 0, width, height)):
            top, bottom = band[1], band[3]
            pixels = np.zeros((bottom - top, width), kind)
            for place in order[(boxes[order, 1] < bottom) & (boxes[order, 3] > top)].tolist():
                x0, y0, x1, y1 = boxes[place].tolist()
                part = (x0, max(y0, top), x1, min(y1, bottom))
                bits = drawn_in(runs_of(self.masks[place]), part)
                pixels[part[1] - top : part[3] - top, x0:x1][bits] = place + 1
            visible += np.bincount(pixels.ravel(), minlength=len(visible))
            yield pixels
        self.visible = visible[1:].tolist()


def label_map(row: Mapping[str, Any]) -> LabelMap:
    """Return the label map of an image. Raises `ExportTooManyMasks` above 65,535 masks."""
    require_values(row, MOST_OF_16_BITS, "a 16-bit PNG")
    return LabelMap((row["height"], row["width"]), row["masks"])


def require_values(row: Mapping[str, Any], most: int, holder: str) -> None:
    """Raise `ExportTooManyMasks` if the image has more masks than `holder` has values for."""
    name, found = row["file_name"], len(row["masks"])
    if found > most:
        raise ExportTooManyMasks(f"the image {name!r} has {found} masks, and {holder} tells {most} apart; {ADVICE}")


def voc_palette() -> NDArray[np.uint8]:
    """Return the colours of Pascal VOC, [256, 3] RGB.

    Bits 0, 3 and 6 of a value are the highest three of its red, bits 1, 4 and 7 of its green, bits 2 and 5 of its blue.
    """
    values, palette = np.arange(COLOURS), np.zeros((COLOURS, 3), np.uint8)
    for bit in range(8):
        palette[:, bit % 3] |= (((values >> bit) & 1) << (7 - bit // 3)).astype(np.uint8)
    return palette


def png_of(
    size: tuple[int, int], bands: Iterator[NDArray[Any]], palette: NDArray[np.uint8] | None = None
) -> bytes | Iterator[bytes]:
    """Return a PNG of the bands of rows, in chunks if the image of `size` (height, width) has several bands.

    bool gives 1 bit of grey, uint8 8 and uint16 16; [rows, width, 4] of uint8 gives RGBA. `palette`, [256, 3] RGB, has
    the colours of 8 bits.
    """
    height, width = size
    if len(bands_of((0, 0, width, height))) > 1:
        return png_in_bands(size, bands, palette)
    [pixels] = bands
    picture = Image.fromarray(pixels)
    if palette is not None:
        picture = picture.convert("L")
        picture.putpalette(palette.tobytes())
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return a table in UTF-8; None is an empty cell."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    return file.getvalue().encode()
