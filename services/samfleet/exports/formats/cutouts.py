"""Cutouts: a picture with transparency per mask, cropped to its box."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samfleet.exports.formats.archive import Member, MemberNames, ZipFormat, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.photographs import Photographs
from samfleet.exports.formats.pictures import box_of_mask, png_of
from samfleet.exports.formats.png import folder_of
from samfleet.exports.formats.selection import selected_rows
from samfleet.masks.bands import Box, bands_of, bits_in_bands
from samfleet.masks.large import PixelLimits
from samfleet.masks.pictures import Picture, open_regions

OPAQUE = 255

Read = Callable[[Box], Picture]


def _members(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    names, photographs = MemberNames(), Photographs(source)
    for row in selected_rows(source, options):
        if row["width"] is not None and row["masks"]:
            with ExitStack() as opened:
                read = photographs.show(row, partial(_opened, opened, source.limits))
                if read is not None:
                    folder = f"cutouts/{folder_of(row['file_name'], names)}"
                    for number, mask in enumerate(row["masks"]):
                        if mask["area"]:
                            yield f"{folder}/{number}.png", _cutout(read, mask)
    yield photographs.report()
    yield provenance_of(source.provenance, names)


def _opened(opened: ExitStack, limits: PixelLimits, data: bytes) -> Read:
    return opened.enter_context(open_regions(data, limits))


def _cutout(read: Read, mask: Mapping[str, Any]) -> bytes | Iterator[bytes]:
    """Return a PNG, RGBA: the mask's box of the image, transparent and black outside the mask."""
    left, top, right, bottom = box_of_mask(mask)
    return png_of((bottom - top, right - left), _in_bands(read, mask))


def _in_bands(read: Read, mask: Mapping[str, Any]) -> Iterator[NDArray[np.uint8]]:
    """Yield the cutout in bands of rows: [rows, width, 4] RGBA."""
    box = box_of_mask(mask)
    for band, bits in zip(bands_of(box), bits_in_bands(mask, box), strict=True):
        opaque = np.where(bits, np.uint8(OPAQUE), np.uint8(0))
        yield np.dstack([read(band) * bits[:, :, None], opaque])


# Numbers and folders are those of `png_masks`. An empty mask has no cutout.
CUTOUTS = ZipFormat(
    "cutouts",
    "Cutouts (zip): a PNG with transparency per mask, cropped to its box.",
    _members,
)
