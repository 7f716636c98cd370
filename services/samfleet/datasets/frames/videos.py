"""Frames of an open video, decoded from the keyframe before them or on from the last one read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import IO

from av.packet import Packet
from av.video.frame import VideoFrame

from samfleet.datasets.frames.limits import MOST_DECODED_PIXELS, FrameLimits, frame_missing
from samfleet.datasets.frames.pictures import file_of
from samfleet.datasets.frames.times import FrameTimes
from samfleet.datasets.frames.video_index import VideoIndex, index_of
from samfleet.datasets.frames.video_pictures import picture_of
from samfleet.datasets.frames.video_source import VideoSource
from samfleet.image_errors import ImageTruncated, ImageUnreadable, TooManyFrames

REMEMBERED_BYTES = 64 * 2**20  # of frames that were passed on the way to another
NEAR_FRAMES = 8  # ahead, which are decoded rather than sought even if keyframes lie between
EARLIER_KEYS = 2  # from which decoding starts if a keyframe gives no frame: some need those before them


class Video:
    """Frames of a video; threads share it, and one decodes at a time."""

    def __init__(self, file: IO[bytes], form: str, limits: FrameLimits) -> None:
        """Open the file and read its packets. Raises a subclass of `ImageFailed`."""
        self._source = VideoSource(file, form, limits)
        self._index: VideoIndex = index_of(self._source)
        self._max_pixels = limits.pixels
        self._using = threading.Lock()
        self._run: Iterator[tuple[int, VideoFrame]] = iter(())
        self._reached = self._index.frames  # the last frame that the run gave
        self._wanted: list[int] = []  # by threads that wait or decode
        self._passed: OrderedDict[int, VideoFrame] = OrderedDict()
        self._passed_bytes = 0
        self._pixels = 0  # decoded since the last frame that was read

    def indices(self) -> Sequence[int]:
        return range(self._index.frames)

    def times(self) -> FrameTimes | None:
        return self._index.times

    def read(self, index: int) -> bytes:
        if index >= self._index.frames:
            raise frame_missing(index, self._index.frames)
        if index in self._index.cut:
            raise ImageTruncated(f"the video ends within frame {index}; fetch or upload the file again")
        self._wanted.append(index)
        try:
            with self._using:
                frame = self._frame(index)
                aspect = self._source.aspect
        finally:
            self._wanted.remove(index)
        return file_of(picture_of(frame, aspect, self._max_pixels))

    def _frame(self, index: int) -> VideoFrame:
        found = self._forget(index)
        if found is not None:
            return found
        key = self._index.key_of(index)
        self._check_steps(key, index)
        if self._is_ahead(key, index) and (found := self._advance(index)):
            return found
        for start in range(key, max(-1, key - EARLIER_KEYS) - 1, -1):
            self._run = self._decoded(start)
            if found := self._advance(index):
                return found
        raise ImageUnreadable(f"frame {index} of the video is damaged, or has no picture")

    def _check_steps(self, key: int, index: int) -> None:
        if self._index.steps(key, index) * self._source.pixels > MOST_DECODED_PIXELS:
            raise _too_far()

    def _is_ahead(self, key: int, index: int) -> bool:
        """Return True if the run will come to the frame, and none of the frames between can be skipped."""
        ahead = index - self._reached
        return ahead > 0 and (ahead <= NEAR_FRAMES or self._index.key_of(self._reached) >= key)

    def _advance(self, index: int) -> VideoFrame | None:
        """Decode up to the frame; None if the decoder does not give it, or marks it as damaged."""
        self._pixels = 0
        for number, frame in self._run:
            self._reached = number
            if number == index:
                return None if frame.is_corrupt else frame
            self._remember(number, frame)
            if number > index:
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

    def _forget(self, index: int) -> VideoFrame | None:
        frame = self._passed.pop(index, None)
        if frame is not None:
            self._passed_bytes -= _bytes_of(frame)
        return frame

    def _remember(self, number: int, frame: VideoFrame) -> None:
        if frame.is_corrupt:
            return
        self._forget(number)
        self._passed[number] = frame
        self._passed_bytes += _bytes_of(frame)
        while self._passed_bytes > REMEMBERED_BYTES:
            unwanted = next((one for one in self._passed if one not in self._wanted), None)
            if unwanted is None:
                return
            self._forget(unwanted)


def _too_far() -> TooManyFrames:
    return TooManyFrames(
        f"the frame lies more than {MOST_DECODED_PIXELS} pixels after the keyframe from which decoding starts; encode "
        "the video again with a keyframe every few seconds"
    )


def _bytes_of(frame: VideoFrame) -> int:
    return sum(plane.buffer_size for plane in frame.planes)
