"""Images that are read by window if they are large TIFFs, and decoded whole otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from samfleet.image_errors import ImageTooLarge, SourceChanged
from samfleet.masks import tiff
from samfleet.masks.image_file import check_pixels, upright_size
from samfleet.masks.rasters import has_rasterio
from samfleet.masks.tiff_windows import TiffWindows


@dataclass(frozen=True, slots=True)
class PixelLimits:
    """Largest width x height of an image that is decoded whole, and of one that is read by window.

    The defaults are those of SAMFLEET_MAX_PIXELS and SAMFLEET_MAX_TILED_PIXELS.
    """

    whole: int = 100_000_000
    by_window: int = 1_000_000_000


DEFAULT_LIMITS = PixelLimits()


def size_by_limits(data: bytes, limits: PixelLimits) -> tuple[int, int]:
    """Return (width, height) of the upright image, from its header. Raises a subclass of `ImageFailed`."""
    with open_windows(data, limits) as windows:
        if windows is not None:
            return windows.size
    try:
        return upright_size(data, limits.whole)
    except ImageTooLarge as error:
        if not data.startswith(tiff.SIGNATURES):
            raise
        advice = "store it in tiles" if has_rasterio() else "install samfleet[geo] on the worker to read it by window"
        raise ImageTooLarge(f"{error.message}, or {advice}") from error


def require_size(data: bytes, was: tuple[int, int], limits: PixelLimits) -> None:
    """Raise `SourceChanged` if the image no longer has the (width, height) that its masks have; else like the above."""
    width, height = size_by_limits(data, limits)
    if (width, height) != was:
        raise SourceChanged(
            f"the image has {width} x {height} pixels, and had {was[0]} x {was[1]} when it was segmented"
        )


@contextmanager
def open_windows(data: bytes, limits: PixelLimits) -> Iterator[TiffWindows | None]:
    """Open a TIFF to be read by window; None for all others. Raises `ImageTooLarge`."""
    windows = TiffWindows.open(data)
    if windows is None:
        yield None
        return
    with windows:
        check_pixels(windows.size, limits.by_window)
        yield windows
