"""AVIF, HEIC and JPEG XL: what reads them here, and the checks before their decoders run.

Pillow itself reads AVIF. The others need the extra `formats`, whose plugins contain code under the GPL. A plugin is
imported when the first file of its format comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from PIL import Image, features

from samfleet.image_errors import ImageFormatUnsupported, ImageTruncated, ImageUnreadable
from samfleet.masks import isobmff, jxl

EXTRA = "samfleet[formats]"


@dataclass(frozen=True, slots=True)
class Kind:
    """A format, with Pillow's name for it and the module of its plugin, unless Pillow reads it.

    `size` gives (width, height) in pixels, as stored or upright, without a decoder; None if the header does not tell.
    """

    name: str
    pillow: str
    matches: Callable[[bytes], bool]
    is_cut: Callable[[bytes], bool]
    size: Callable[[bytes], tuple[int, int] | None]
    plugin: str | None = None

    @property
    def is_readable(self) -> bool:
        return bool(features.check(self.pillow.lower())) if self.plugin is None else find_spec(self.plugin) is not None


def kind_of(data: bytes) -> Kind | None:
    """Return the format of the file if it is one of these."""
    return next((kind for kind in KINDS if kind.matches(data)), None)


def prepare(kind: Kind, data: bytes) -> tuple[int, int] | None:
    """Make Pillow able to open the file. Return its size in pixels, if its header tells.

    Raises `ImageFormatUnsupported` if the decoder is not installed, and `ImageTruncated` or `ImageUnreadable`.
    """
    _check(kind, data)
    if kind.plugin:
        _register(kind.plugin)
    return kind.size(data)


def jxl_header(data: bytes) -> jxl.Header:
    """Return what a JPEG XL states of its pixels. Raises like `prepare`."""
    _check(JXL, data)
    found = jxl.header(data)
    if found is None:
        raise ImageUnreadable("the JPEG XL file has no readable header")
    return found


def turns_itself(image: Image.Image) -> bool:
    """Return True if the decoder makes the pixels upright, so that the orientation of EXIF no longer applies.

    The plugin of JPEG XL does not turn a JPEG that was packed without loss.
    """
    return image.format == "HEIF" or (image.format == "JXL" and not getattr(image, "jpeg", False))


def _check(kind: Kind, data: bytes) -> None:
    if not kind.is_readable:
        raise ImageFormatUnsupported(
            f"the file is {kind.name}, which this server cannot read; install {EXTRA} on it, or convert the file"
        )
    if kind.is_cut(data):
        raise ImageTruncated


def _jxl_size(data: bytes) -> tuple[int, int]:
    header = jxl_header(data)
    return header.width, header.height


@cache
def _register(plugin: str) -> None:
    """Import the plugin, which makes Pillow know its format."""
    module = import_module(plugin)
    if plugin == "pillow_heif":
        module.register_heif_opener()


AVIF = Kind("AVIF", "AVIF", isobmff.is_avif, isobmff.is_cut, isobmff.largest)
HEIC = Kind("HEIC", "HEIF", isobmff.is_heif, isobmff.is_cut, isobmff.largest, "pillow_heif")
JXL = Kind("JPEG XL", "JXL", jxl.is_jxl, jxl.is_cut, _jxl_size, "pillow_jxl")
KINDS = (AVIF, HEIC, JXL)
