from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from samfleet.config import Settings


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """Limits of files with frames: `pixels` of a frame, `frames` of a file, bytes of a file.

    `whole_bytes` is that of files which are read into memory: all but TIFF, GIF and PNG, and all at URLs.
    """

    pixels: int = 100_000_000
    frames: int = 10_000
    file_bytes: int = 2 * 2**30
    whole_bytes: int = 64 * 2**20

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.max_pixels, settings.max_frames, settings.max_frames_file_bytes, settings.max_image_bytes)
