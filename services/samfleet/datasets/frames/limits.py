from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from samfleet.image_errors import FrameMissing, TooManyFrames

if TYPE_CHECKING:
    from samfleet.config import Settings

MOST_DECODED_PIXELS = 20_000_000_000  # to reach a frame: of an animation all, of a video those since a keyframe


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """Limits of files with frames: `pixels` of a frame, `frames` of a file, bytes of a file.

    Of a video, `frames` counts the chosen ones. `whole_bytes` is that of files which are read into memory: all but
    TIFF, GIF, PNG and videos, and all at URLs.
    """

    pixels: int = 100_000_000
    frames: int = 10_000
    file_bytes: int = 2 * 2**30
    whole_bytes: int = 64 * 2**20

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.max_pixels, settings.max_frames, settings.max_frames_file_bytes, settings.max_image_bytes)


def frame_missing(index: int, frames: int | None = None) -> FrameMissing:
    known = "" if frames is None else f"; it has {frames}, counted from 0"
    return FrameMissing(f"the file has no frame {index}{known}")


def too_many_frames(limits: FrameLimits) -> TooManyFrames:
    return TooManyFrames(f"the file has more than {limits.frames} frames; split it, or raise SAMFLEET_MAX_FRAMES")
