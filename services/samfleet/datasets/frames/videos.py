"""Frames of an open video for several threads, whose parts of it may lie far apart."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import IO

from av.video.frame import VideoFrame

from samfleet.datasets.frames.limits import FrameLimits, frame_missing
from samfleet.datasets.frames.pictures import file_of
from samfleet.datasets.frames.times import FrameTimes
from samfleet.datasets.frames.video_index import index_of
from samfleet.datasets.frames.video_pictures import picture_of
from samfleet.datasets.frames.video_run import VideoRun
from samfleet.datasets.frames.video_source import SharedFile, VideoSource
from samfleet.image_errors import ImageTruncated

REMEMBERED_FRAMES = 8  # that were passed on the way to another, besides those that threads wait for
Shaped = tuple[VideoFrame, Fraction]  # a frame, and the width of its pixels divided by their height
MOST_RUNS = 4  # places of a video that are read side by side, such as by shards
RUN_PIXELS = 2**24  # of a frame for each of them, or there are fewer: two of 3840 x 2160


class Video:
    """Frames of a video; threads share it."""

    def __init__(self, file: IO[bytes], form: str, limits: FrameLimits) -> None:
        """Open the file and read its packets. Raises a subclass of `ImageFailed`."""
        self._open_source = partial(VideoSource, SharedFile(file), form, limits)
        self._max_pixels = limits.pixels
        self._index = index_of(self._open_source())
        self._runs: list[VideoRun] = []  # the one that was used last is the last
        self._choosing = threading.Lock()  # held for what follows, but not while a run decodes
        self._wanted: list[int] = []  # by threads that wait or decode
        self._passed: dict[int, Shaped] = {}

    def indices(self) -> Sequence[int]:
        return range(self._index.frames)

    def times(self) -> FrameTimes | None:
        return self._index.times

    def read(self, index: int) -> bytes:
        if index >= self._index.frames:
            raise frame_missing(index, self._index.frames)
        if index in self._index.cut:
            raise ImageTruncated(f"the video ends within frame {index}; fetch or upload the file again")
        frame, aspect = self._forget(index) or self._decoded(index)
        return file_of(picture_of(frame, aspect, self._max_pixels))

    def _decoded(self, index: int) -> Shaped:
        with self._choosing:
            run = self._run_for(index)
            self._wanted.append(index)
            run.send(self._index.key_of(index), index)
        try:
            with run.using:
                return self._forget(index) or (run.frame(index, partial(self._remember, run)), run.aspect)
        finally:
            with self._choosing:
                self._wanted.remove(index)
                run.threads -= 1

    def _run_for(self, index: int) -> VideoRun:
        """Return the run that passes the frame or is next to it, else a free one before it, else a new one.

        Parts that are read side by side so get a run each, as each finds the one behind it.
        """
        key = self._index.key_of(index)
        near = (
            [run for run in self._runs if run.passes(index)]
            or [run for run in self._runs if run.is_ahead(key, index)]
            or [run for run in self._runs if run.heading < index and not run.threads]
        )
        if near:
            run = max(near, key=lambda one: one.start)
        elif not self._runs or len(self._runs) < min(MOST_RUNS, RUN_PIXELS // max(run.pixels for run in self._runs)):
            run = VideoRun(self._index, self._open_source)
        else:
            run = self._runs[0]
        self._runs = [*(one for one in self._runs if one is not run), run]
        return run

    def _forget(self, index: int) -> Shaped | None:
        """Return a frame that was passed, which is not kept any longer."""
        with self._choosing:
            return self._passed.pop(index, None)

    def _remember(self, run: VideoRun, number: int, frame: VideoFrame) -> None:
        with self._choosing:
            self._passed[number] = frame, run.aspect
            unwanted = [one for one in self._passed if one not in self._wanted]
            for one in unwanted[:-REMEMBERED_FRAMES]:
                del self._passed[one]
