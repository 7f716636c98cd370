"""Decoded frames of videos as pictures: RGB of 8 bits, square pixels, upright."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from samfleet.masks.image_file import check_pixels

HD_HEIGHT = 720  # from which on players take BT.709 for colours that state nothing
MATRIX = "DISPLAYMATRIX"
UNSTATED, RGB = 2, 0  # libav's numbers of colour spaces
TURNS = {  # by the signs of a, b, c and d: (x, y) is shown at (a x + c y, b x + d y)
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
}


def picture_of(frame: VideoFrame, aspect: Fraction, max_pixels: int) -> Image.Image:
    """Return a frame as a player shows it, but without tone mapping and with both fields of interlaced ones.

    `aspect` is the width of a pixel divided by its height. Raises `ImageTooLarge`.
    """
    size = _square(frame.width, frame.height, aspect)
    check_pixels(size, max_pixels)
    converted = frame.reformat(
        format="rgb24",
        src_colorspace=_colours(frame),
        dst_colorspace=Colorspace.DEFAULT,
        src_color_range=frame.color_range or ColorRange.MPEG,
        dst_color_range=ColorRange.MPEG,
    )
    picture = Image.fromarray(converted.to_ndarray())
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    turn = _turn(frame)
    return picture if turn is None else picture.transpose(turn)


def _square(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Return the size with square pixels; no side becomes smaller, so no detail is lost."""
    if aspect > 1:
        return max(1, round(width * aspect)), height
    return width, max(1, round(height / aspect))


def _colours(frame: VideoFrame) -> int:
    """Return libav's number of the colour space from which RGB is computed."""
    stated = int(frame.colorspace)
    if stated == RGB:
        return int(Colorspace.DEFAULT)
    if stated == UNSTATED:
        return int(Colorspace.ITU709 if frame.height >= HD_HEIGHT else Colorspace.ITU601)
    return stated


def _turn(frame: VideoFrame) -> Image.Transpose | None:
    """Return the transposition that the file states; None without one, or for angles other than quarter turns."""
    stated: Mapping[str, Any] = frame.side_data  # PyAV types only motion vectors
    if MATRIX not in stated:
        return None
    matrix = np.frombuffer(bytes(stated[MATRIX]), np.int32)
    a, b, c, d = (int(np.sign(matrix[place])) for place in (0, 1, 3, 4))
    return TURNS.get((a, b, c, d))
