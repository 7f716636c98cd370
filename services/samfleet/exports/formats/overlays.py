"""Overlays: a picture per image with its masks, and contact sheets of many small ones."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from PIL import Image, ImageDraw

from samfleet.exports.formats.archive import Member, MemberNames, ZipFormat, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.photographs import Photographs
from samfleet.exports.formats.selection import selected_rows
from samfleet.masks.large import PixelLimits
from samfleet.masks.overlay import render_overlay
from samfleet.masks.record import MaskRecord

OVERLAY_SIDE = 1600  # pixels
JPEG_QUALITY = 90
COLUMNS, LINES = 5, 6  # of a sheet
TILE = 320
GAP = 8
CAPTION = 20  # pixels of a file name below its tile
LONGEST_CAPTION = 48  # characters, of the end of the name
BACKGROUND, INK = "white", "black"


def _overlays(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    names, photographs = MemberNames(), Photographs(source)
    for row in selected_rows(source, options):
        if row["width"] is not None:
            picture = photographs.show(row, partial(_drawn, row, OVERLAY_SIDE, source.limits))
            if picture is not None:
                yield f"overlays/{names.name(row['file_name'], '.jpg')}", _jpeg(picture)
    yield photographs.report()
    yield provenance_of(source.provenance, names)


def _contact_sheets(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    photographs = Photographs(source)
    tiles = _tiles(source, options, photographs)
    number = 0
    while page := list(islice(tiles, COLUMNS * LINES)):
        number += 1
        yield f"sheet_{number:05d}.jpg", _jpeg(_sheet(page))
    yield photographs.report()
    yield provenance_of(source.provenance, MemberNames())


def _tiles(source: ExportSource, options: ExportOptions, photographs: Photographs) -> Iterator[tuple[str, Image.Image]]:
    for row in selected_rows(source, options):
        if row["width"] is not None:
            picture = photographs.show(row, partial(_drawn, row, TILE, source.limits))
            if picture is not None:
                yield row["file_name"], picture


def _drawn(row: Mapping[str, Any], side: int, limits: PixelLimits, data: bytes) -> Image.Image:
    """Return the upright image, at most `side` pixels wide and high, with its masks in the dashboard's colours."""
    masks = [MaskRecord.from_dict(mask) for mask in row["masks"]]
    return Image.open(io.BytesIO(render_overlay(data, masks, max_side=side, limits=limits)))


def _sheet(page: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Return a picture of at most `COLUMNS` * `LINES` tiles in rows, each above the end of its image's name."""
    lines = -(-len(page) // COLUMNS)
    columns = min(COLUMNS, len(page))
    sheet = Image.new("RGB", (columns * (TILE + GAP) + GAP, lines * (TILE + CAPTION + GAP) + GAP), BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    for place, (name, picture) in enumerate(page):
        line, column = divmod(place, COLUMNS)
        x, y = GAP + column * (TILE + GAP), GAP + line * (TILE + CAPTION + GAP)
        sheet.paste(picture, (x + (TILE - picture.width) // 2, y + (TILE - picture.height) // 2))
        caption = "".join(sign if sign.isprintable() else "\ufffd" for sign in name[-LONGEST_CAPTION:])
        pen.text((x, y + TILE + 2), caption, fill=INK)
    return sheet


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


OVERLAYS = ZipFormat(
    "overlays",
    "Overlays (zip): a JPEG per image with its masks tinted, at most 1600 pixels wide and high.",
    _overlays,
)
CONTACT_SHEET = ZipFormat(
    "contact_sheet",
    "Contact sheets (zip): JPEGs with 30 small overlays each, with their names.",
    _contact_sheets,
)
