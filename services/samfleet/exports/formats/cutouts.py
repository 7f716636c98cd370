"""Cutouts: a picture with transparency per mask, cropped to its box."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from samfleet.exports.formats.archive import Member, MemberNames, ZipFormat, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.photographs import Photographs
from samfleet.exports.formats.pictures import bits_of
from samfleet.exports.formats.png import folder_of
from samfleet.exports.formats.selection import selected_rows
from samfleet.jobs.coco_files import BoxForm, box_of
from samfleet.masks.pictures import Picture, open_picture

OPAQUE = 255


def _members(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    names, photographs = MemberNames(), Photographs(source)
    for row in selected_rows(source, options):
        if row["width"] is not None and row["masks"]:
            picture = photographs.show(row, partial(_read, row, source.max_pixels))
            if picture is not None:
                folder = f"cutouts/{folder_of(row['file_name'], names)}"
                for number, mask in enumerate(row["masks"]):
                    if mask["area"]:
                        yield f"{folder}/{number}.png", _cutout(picture, mask)
    yield photographs.report()
    yield provenance_of(source.provenance, names)


def _read(row: Mapping[str, Any], max_pixels: int, data: bytes) -> Picture:
    with open_picture(data, max(row["width"], row["height"]), max_pixels) as opened:
        return opened.read()


def _cutout(picture: Picture, mask: Mapping[str, Any]) -> bytes:
    """Return a PNG, RGBA: the mask's box of the image, transparent and black outside the mask."""
    left, top, width, height = map(int, box_of(mask, BoxForm.PIXELS))
    place = np.s_[top : top + height, left : left + width]
    bits = bits_of(mask)[place]
    colours = np.where(bits[:, :, None], picture[place], 0).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.dstack([colours, bits.astype(np.uint8) * OPAQUE])).save(file, "PNG")
    return file.getvalue()


# Numbers and folders are those of `png_masks`. An empty mask has no cutout.
CUTOUTS = ZipFormat(
    "cutouts",
    "Cutouts (zip): a PNG with transparency per mask, cropped to its box.",
    _members,
)
