"""One way through a video: a decoder that starts at a keyframe and goes on to the frames that are wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cached_property

from av.packet import Packet
from av.video.frame import VideoFrame

from samfleet.datasets.frames.limits import MOST_DECODED_PIXELS
from samfleet.datasets.frames.video_index import VideoIndex
from samfleet.datasets.frames.video_source import VideoSource
from samfleet.image_errors import ImageUnreadable, TooManyFrames

NEAR_FRAMES = 8  # ahead, which are decoded rather than sought even if keyframes lie between
EARLIER_KEYS = 2  # from which decoding starts if a keyframe gives no frame: some need those before them


class VideoRun:
    """Decoder of a video for one thread at a time, the one that holds `using`.

    Other threads may ask where it will be: `heading` is the last frame that one of them was sent for, `start` the frame
    after which it decodes all up to there, and `threads` those that hold it or wait for it.
    """

    def __init__(self, index: VideoIndex, open_source: Callable[[], VideoSource]) -> None:
        self.using = threading.Lock()
        self.start = self.heading = index.frames
        self.threads = 0
        self.pixels = 1  # of a frame, once one is decoded
        self._index = index
        self._open = open_source
        self._frames: Iterator[tuple[int, VideoFrame]] = iter(())
        self._reached = index.frames  # the last frame that was decoded; this one is none
        self._pixels = 0  # decoded since the last frame that was read

    @cached_property
    def _source(self) -> VideoSource:
        return self._open()  # within `using`

    @property
    def aspect(self) -> Fraction:
        """Return the width of a pixel divided by its height, once a frame is decoded."""
        return self._source.aspect

    def is_ahead(self, key: int, frame: int) -> bool:
        """Return True if the frame, whose keyframe is `key`, comes after `heading` and not much can be skipped."""
        return self._goes_on(self.heading, key, frame)

    def passes(self, frame: int) -> bool:
        """Return True if the frame is one of those that are decoded on the way to `heading`."""
        return self.threads > 0 and self.start < frame <= self.heading

    def send(self, key: int, frame: int) -> None:
        """State that a thread will go to a frame with the run."""
        self.threads += 1
        if not self.passes(frame):
            self.start = self.heading if self.is_ahead(key, frame) else self._index.frame_of(key) - 1
            self.heading = frame

    def frame(self, wanted: int, on_passed: Callable[[int, VideoFrame], None]) -> VideoFrame:
        """Decode up to a frame and return it; `on_passed` gets those before it. Raises a subclass of `ImageFailed`."""
        key = self._index.key_of(wanted)
        if self._index.steps(key, wanted) * self._source.pixels > MOST_DECODED_PIXELS:
            raise _too_far()
        if self._goes_on(self._reached, key, wanted) and (found := self._advance(wanted, on_passed)):
            return found
        for start in range(key, max(-1, key - EARLIER_KEYS) - 1, -1):
            self._frames = self._decoded(start)
            if found := self._advance(wanted, on_passed):
                return found
        raise ImageUnreadable(f"frame {wanted} of the video is damaged, or has no picture")

    def _goes_on(self, reached: int, key: int, frame: int) -> bool:
        ahead = frame - reached
        return ahead > 0 and (ahead <= NEAR_FRAMES or self._index.key_of(reached) >= key)

    def _advance(self, wanted: int, on_passed: Callable[[int, VideoFrame], None]) -> VideoFrame | None:
        """Decode up to the frame; None if the decoder does not give it, or marks it as damaged."""
        self._pixels = 0
        for number, frame in self._frames:
            self._reached = number
            if number == wanted:
                self.pixels = max(1, self._source.pixels)
                return None if frame.is_corrupt else frame
            if not frame.is_corrupt:
                on_passed(number, frame)
            if number > wanted:
                return None
        self._reached = self._index.frames
        return None

    def _decoded(self, key: int) -> Iterator[tuple[int, VideoFrame]]:
        """Yield frames with their numbers from a keyframe on. Without times, the decoder's order is theirs."""
        number = 0
        for packet in self._packets(key):
            for frame in self._source.decode(packet):
                if number == 0 and key >= 0 and frame.pts == self._index.key_stamps[key] and not frame.key_frame:
                    return  # the container calls a frame a keyframe that refers to others
                place = number if self._index.stamps is None else self._index.frame_at(frame.pts)
                number += 1
                if place is not None:
                    yield place, frame
            self._pixels += self._source.pixels  # which the decoder may find to be more than the container states
            if self._pixels > MOST_DECODED_PIXELS:
                raise _too_far()

    def _packets(self, key: int) -> Iterator[Packet | None]:
        if key < 0:
            self._source.reopen()
            yield from self._source.packets()
        else:
            stamps = self._index.key_stamps[: key + 1]
            yield from self._source.packets_from(int(stamps[-1]), [int(stamp) for stamp in stamps[:-3:-1]])
        yield None  # the decoder's last frames


def _too_far() -> TooManyFrames:
    return TooManyFrames(
        f"the frame lies more than {MOST_DECODED_PIXELS} pixels after the keyframe from which decoding starts; encode "
        "the video again with a keyframe every few seconds"
    )
