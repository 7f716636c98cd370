"""Masks of images as PNG files: bits, label maps, and the tables beside them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samfleet.exports.errors import ExportTooManyMasks
from samfleet.masks.rle import decode_mask

MOST_OF_8_BITS = 255
MOST_OF_16_BITS = 65_535
ADVICE = "leave small or uncertain ones out by min_area or min_score, or use another format"
COLOURS = 256

Bits = NDArray[np.bool_]  # [height, width]


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Masks painted over each other.

    `pixels` is [height, width], uint8 or uint16: 0 is the background, n the n-th mask. `visible` counts the pixels that
    each mask shows; no later mask covers them.
    """

    pixels: NDArray[Any]
    visible: Sequence[int]


def bits_of(mask: Mapping[str, Any]) -> Bits:
    """Decode the mask of a row."""
    height, width = mask["segmentation"]["size"]
    return decode_mask(mask["segmentation"]["counts"], (height, width))


def label_map(row: Mapping[str, Any]) -> LabelMap:
    """Paint the masks of an image in the order of their areas, the largest first and small ones on top.

    Of two equal areas the later mask is on top. Raises `ExportTooManyMasks` above 65,535 masks.
    """
    masks = row["masks"]
    require_values(row, MOST_OF_16_BITS, "a 16-bit PNG")
    kind = np.uint8 if len(masks) <= MOST_OF_8_BITS else np.uint16
    pixels = np.zeros((row["height"], row["width"]), kind)
    for place in sorted(range(len(masks)), key=lambda place: -masks[place]["area"]):
        pixels[bits_of(masks[place])] = place + 1
    return LabelMap(pixels, np.bincount(pixels.ravel(), minlength=len(masks) + 1)[1:].tolist())


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


def palette_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG of [height, width] values, shown in the colours of Pascal VOC."""
    picture = Image.fromarray(pixels).convert("L")
    picture.putpalette(voc_palette().tobytes())
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def png_bytes(pixels: NDArray[Any]) -> bytes:
    """Return a greyscale PNG of [height, width]: of 1 bit for bool, 8 for uint8, 16 for uint16."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return a table in UTF-8; None is an empty cell."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    return file.getvalue().encode()
