"""Frames of one open file: pages of a TIFF; pictures of a GIF, APNG, WebP, AVIF or HEIC.

Pillow decodes them. The pictures of an animation build on each other, so those that were passed on the way to another
are remembered for the threads that come for them.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import IO

from PIL import Image, UnidentifiedImageError

from samfleet.datasets.frames.limits import MOST_DECODED_PIXELS, FrameLimits, frame_missing, too_many_frames
from samfleet.datasets.frames.pictures import file_of
from samfleet.image_errors import (
    ImageEmpty,
    ImageFailed,
    ImageTooLarge,
    ImageTruncated,
    ImageUnreadable,
    TooManyFrames,
)
from samfleet.masks import gif, plugins, png, tiff, webp
from samfleet.masks.image_file import ENDS_EARLY, FORMATS, check_pixels, turn_after_loading
from samfleet.masks.pictures import as_bytes

HEAD_BYTES = 2**16
REMEMBERED_BYTES = 64 * 2**20  # of pictures of an animation that were passed
SUBFILE = 254  # TIFF's tag of what a page is
SMALLER_OR_MASK = 1 | 4  # its bits: a page of lower resolution of another one, or a transparency mask


def open_stills(file: IO[bytes], limits: FrameLimits) -> Pages | Animation:
    """Open a file that can seek, reading no pixels. Raises a subclass of `ImageFailed` that names the fault."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise ImageEmpty
    try:
        if head.startswith(tiff.SIGNATURES):
            return Pages(_opened(file, "TIFF"), limits)
        return Animation(*_animation(file, head, limits), limits)
    except (ImageFailed, MemoryError):
        raise
    except Exception as error:  # on damaged files Pillow's plugins raise nearly any exception
        raise _fault(error, "the file") from error


class Pages:
    """Pages of a TIFF, each read at its place."""

    def __init__(self, image: Image.Image, limits: FrameLimits) -> None:
        self._image = image
        self._limits = limits
        self._using = threading.Lock()

    def indices(self) -> Sequence[int]:
        """Return the pages except those of lower resolution and masks. One that cannot be read is the last."""
        found: list[int] = []
        with self._using:
            for index in range(self._limits.frames + 1):
                try:
                    self._image.seek(index)
                    kind = self._image.tag_v2.get(SUBFILE, 0)  # type: ignore[attr-defined]
                except EOFError:
                    return found or [0]
                except MemoryError:
                    raise
                except Exception:  # noqa: BLE001 - damaged pages raise nearly any exception; reading this one tells it
                    return [*found, index]
                if not (isinstance(kind, int) and kind & SMALLER_OR_MASK):
                    found.append(index)
        raise too_many_frames(self._limits)

    def times(self) -> None:
        return None

    def read(self, index: int) -> bytes:
        if index >= self._limits.frames:
            raise too_many_frames(self._limits)
        with self._using:
            return file_of(_picture(self._image, index, self._limits.pixels))


class Animation:
    """Pictures of an animation, read one after the other."""

    def __init__(self, image: Image.Image, frames: int, limits: FrameLimits) -> None:
        if frames > limits.frames:
            raise too_many_frames(limits)
        if frames * image.width * image.height > MOST_DECODED_PIXELS:
            raise TooManyFrames(
                f"the animation has {frames} frames of {image.width} x {image.height} pixels, more than "
                f"{MOST_DECODED_PIXELS} in all; split it, or scale it down"
            )
        self._image = image
        self._frames = frames
        self._pixels = limits.pixels
        self._using = threading.Lock()
        self._next = 0
        self._passed: OrderedDict[int, Image.Image] = OrderedDict()

    def indices(self) -> Sequence[int]:
        return range(self._frames)

    def times(self) -> None:
        return None

    def read(self, index: int) -> bytes:
        if index >= self._frames:
            raise frame_missing(index, self._frames)
        with self._using:
            if index not in self._passed:
                for number in range(self._next if index >= self._next else 0, index + 1):
                    self._remember(number, _picture(self._image, number, self._pixels))
            picture = self._passed.pop(index)
        return file_of(picture)

    def _remember(self, number: int, picture: Image.Image) -> None:
        self._next = number + 1
        self._passed[number] = picture
        most = max(1, REMEMBERED_BYTES // (3 * picture.width * picture.height))
        while len(self._passed) > most:
            self._passed.popitem(last=False)


def _animation(file: IO[bytes], head: bytes, limits: FrameLimits) -> tuple[Image.Image, int]:
    """Return an opened image and its number of frames."""
    if head.startswith(gif.SIGNATURE):
        frames, canvas = gif.survey(file, limits.frames)
        check_pixels(canvas, limits.pixels)
        return _opened(file, "GIF"), frames
    if head.startswith(png.SIGNATURE):
        return _counted(_opened(file, "PNG"), limits)
    file.seek(0)
    data = file.read(limits.whole_bytes + 1)
    if len(data) > limits.whole_bytes:
        raise ImageTooLarge(
            f"the file is larger than {limits.whole_bytes} bytes, which is the most for its format; split it, or raise "
            "SAMFLEET_MAX_IMAGE_BYTES"
        )
    if webp.is_webp(data):
        if webp.is_cut(data):
            raise ImageTruncated
        check_pixels(webp.canvas(data) or (0, 0), limits.pixels)
    kind = plugins.kind_of(data)
    if kind and (size := plugins.prepare(kind, data)):
        check_pixels(size, limits.pixels)
    return _counted(_opened(io.BytesIO(data), *((kind.pillow,) if kind else (*FORMATS, "GIF"))), limits)


def _opened(file: IO[bytes], *formats: str) -> Image.Image:
    file.seek(0)
    return Image.open(file, formats=formats)


def _counted(image: Image.Image, limits: FrameLimits) -> tuple[Image.Image, int]:
    check_pixels(image.size, limits.pixels)
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    return image, frames


def _picture(image: Image.Image, index: int, max_pixels: int) -> Image.Image:
    """Return a frame, upright, in Pillow's mode L or RGB."""
    try:
        image.seek(index)
        check_pixels(image.size, max_pixels)
        turn = turn_after_loading(image)
        image.load()
        # A copy of what an animation builds on. A page is none: a copy has no tags, such as that of missing values.
        frame = as_bytes(image if image.format == "TIFF" else image.copy())
        colours = frame if frame.mode == "L" else frame.convert("RGB")
        return colours.copy() if turn is None else colours.transpose(turn)
    except (ImageFailed, MemoryError):
        raise
    except EOFError as error:
        raise frame_missing(index) from error
    except Exception as error:  # on damaged files Pillow's plugins raise nearly any exception
        raise _fault(error, f"frame {index}") from error


def _fault(error: Exception, what: str) -> ImageFailed:
    if isinstance(error, UnidentifiedImageError):  # its text has an address in memory
        return ImageUnreadable(f"{what} is not an image, or its header is damaged")
    text = str(error)
    if any(words in text.lower() for words in ENDS_EARLY):
        return ImageTruncated(f"{what} is truncated; fetch or upload the file again")
    return ImageUnreadable(f"{what} cannot be decoded: {text}")
