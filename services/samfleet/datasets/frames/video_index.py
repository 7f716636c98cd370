"""Index of a video: its frames in the order in which they are shown, and the keyframes that decoding may start from.

It is made of the packets, which are read once, without decoding.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from av.packet import Packet

from samfleet.datasets.frame_addresses import MOST_FRAMES
from samfleet.datasets.frames.times import FrameTimes
from samfleet.datasets.frames.video_source import VideoSource
from samfleet.image_errors import ImageUnreadable, TooManyFrames

Integers = np.ndarray[Any, Any]  # int64
NO_TIME = -(2**63)
IN_ORDER = frozenset(  # codecs whose frames are shown in the order in which they are decoded
    {
        *("mjpeg", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "qtrle", "png", "dvvideo", "prores", "dnxhd"),
        *("msmpeg4", "msmpeg4v2", "h263", "flv", "cinepak"),
    }
)
SHOWN_VP8 = 0x10  # bit of a packet's first byte: its picture is shown, and not only referred to


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """The frames of a video, numbered as they are shown.

    `stamps` are the times of the frames in the file's unit, ascending, `places` their places in decoding order. `keys`
    and `key_stamps` are those of keyframes, both ascending. `stamps` is None if times do not tell frames apart: then
    frames are numbered as the decoder gives them. `cut` are the frames whose packets are not whole.
    """

    frames: int
    times: FrameTimes | None
    stamps: Integers | None
    places: Integers
    keys: Integers
    key_stamps: Integers
    cut: frozenset[int]

    def key_of(self, frame: int) -> int:
        """Return the number of the last keyframe from which decoding gives the frame; -1 for the file's beginning.

        A frame that is decoded after a keyframe and shown before it may refer to frames before the keyframe.
        """
        if self.stamps is None:
            return -1
        decoded = np.searchsorted(self.keys, self.places[frame], side="right")
        shown = np.searchsorted(self.key_stamps, self.stamps[frame], side="right")
        return int(min(decoded, shown)) - 1

    def frame_of(self, key: int) -> int:
        """Return the frame of a keyframe; frame 0 for the file's beginning."""
        return (self.frame_at(int(self.key_stamps[key])) or 0) if key >= 0 else 0

    def steps(self, key: int, frame: int) -> int:
        """Return how many frames are decoded from a keyframe on to get to a frame."""
        return int(self.places[frame]) - (int(self.keys[key]) if key >= 0 else 0) + 1

    def frame_at(self, stamp: int | None) -> int | None:
        """Return the frame of a time; None if there is none."""
        if stamp is None or self.stamps is None:
            return None
        frame = int(np.searchsorted(self.stamps, stamp))
        return frame if frame < self.frames and self.stamps[frame] == stamp else None


def index_of(source: VideoSource) -> VideoIndex:
    """Read all packets of a video that was just opened. Raises a subclass of `ImageFailed`."""
    stamps, places, keys = array("q"), array("q"), array("q")
    cut: set[int] = set()
    for place, packet in enumerate(source.packets()):
        if place == MOST_FRAMES:
            raise TooManyFrames(f"the video has more than {MOST_FRAMES} frames; split it")
        stamp = NO_TIME if packet.pts is None else packet.pts
        if packet.is_keyframe:
            keys.extend((place, stamp))
        if _is_shown(packet, source.codec):
            if packet.is_corrupt:
                cut.add(len(stamps))
            places.append(place)
            stamps.append(stamp)
    if not stamps:
        raise ImageUnreadable("the video has no frames")
    if source.is_cut:  # the next frame stands for those that cannot be read
        cut.add(len(stamps))
        places.append(places[-1] + 1)
        stamps.append(max(stamps) + 1)
    return _ordered(source, _array(stamps), _array(places), _array(keys).reshape(-1, 2), cut)


def _ordered(source: VideoSource, stamps: Integers, places: Integers, keys: Integers, cut: set[int]) -> VideoIndex:
    order = np.argsort(stamps, kind="stable")
    shown = stamps[order]
    gaps, key_gaps = np.diff(shown), np.diff(keys[:, 1])
    is_timed = shown[0] != NO_TIME and bool(np.all(gaps > 0)) and bool(np.all(key_gaps > 0))
    if not is_timed or source.time_base is None or not _states_times(source):
        times = None
        if source.rate:
            times = FrameTimes(np.arange(len(stamps), dtype=np.int64), Fraction(1) / source.rate)
        none = np.empty(0, np.int64)
        missing = frozenset({len(stamps) - 1} if source.is_cut else ())
        return VideoIndex(len(stamps), times, None, places, none, none, missing)
    ranks = np.argsort(order, kind="stable")
    times = FrameTimes(shown - shown[0], source.time_base)
    damaged = frozenset(int(ranks[packet]) for packet in cut)
    return VideoIndex(len(stamps), times, shown, places[order], keys[:, 0], keys[:, 1], damaged)


def _states_times(source: VideoSource) -> bool:
    """Return True if the times of packets are the container's. AVI has none, and libav guesses many of MPEG's."""
    return source.form != "mpeg" and (source.form != "avi" or source.codec in IN_ORDER)


def _is_shown(packet: Packet, codec: str) -> bool:
    """Return False for packets without a frame: of pictures that are only referred to, or that an edit list drops."""
    return not packet.is_discard and (codec != "vp8" or bool(bytes(memoryview(packet)[:1])[0] & SHOWN_VP8))


def _array(numbers: array[int]) -> Integers:
    return np.frombuffer(numbers, np.int64) if numbers else np.empty(0, np.int64)
