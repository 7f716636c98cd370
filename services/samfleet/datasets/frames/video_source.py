"""Video files opened by PyAV, the extra `samfleet[video]`: the stream of pictures and its packets.

A file comes from users, so libav may open nothing but this file, and only containers and codecs named here. It decodes
nothing when it opens a file, because no limit of pixels holds then.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import IO, Any, NoReturn

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from samfleet.datasets.frames.limits import FrameLimits
from samfleet.image_errors import ImageFormatUnsupported, ImageTruncated, ImageUnreadable
from samfleet.masks.image_file import check_pixels

BOX_BYTES = 8  # of the size and the kind of a box
BUFFER_BYTES = 2**18
MOST_PIXELS = 36_000_000  # of a frame, 8192 x 4320 and a little more: a decoder keeps up to 17 frames
DECODERS = frozenset(
    {
        *("h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg1video", "mpeg2video", "mpeg4", "mjpeg", "prores"),
        *("dnxhd", "dvvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "qtrle", "png", "h263"),
        *("msmpeg4", "msmpeg4v2", "flv", "cinepak"),
    }
)
CODECS = "H.264, HEVC, VP8, VP9, AV1, MPEG-1, MPEG-2, MPEG-4, Motion JPEG, ProRes, DNxHD, DV or FFV1"


class SharedFile:
    """An open file of which several sources read at different places, side by side."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._using = threading.Lock()

    def size(self) -> int:
        with self._using:
            return self._file.seek(0, os.SEEK_END)

    def read(self, place: int, count: int) -> bytes:
        """Return at most `count` bytes from a place on."""
        with self._using:
            self._file.seek(place)
            return self._file.read(count)


class VideoSource:
    """The first stream of pictures of a file. It is for one thread at a time."""

    def __init__(self, file: SharedFile, form: str, limits: FrameLimits) -> None:
        """Open the file as the container `form`, by libav's name. Raises a subclass of `ImageFailed`."""
        self.form = form
        self.is_cut = False
        self._file = file
        self._most_pixels = min(limits.pixels, MOST_PIXELS)
        self._container: InputContainer
        self._stream: VideoStream
        self.reopen()

    @property
    def time_base(self) -> Fraction | None:
        """Return the unit of the times of packets and frames, in seconds."""
        return self._stream.time_base or None

    @property
    def rate(self) -> Fraction | None:
        """Return the frames a second, by the container."""
        return self._stream.average_rate or self._stream.guessed_rate or None

    @property
    def pixels(self) -> int:
        """Return the pixels of a frame as the container states them, later as the decoder knows them."""
        return self._stream.codec_context.width * self._stream.codec_context.height

    @property
    def aspect(self) -> Fraction:
        """Return the width of a pixel divided by its height; some codecs state it only once a frame is decoded."""
        return self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio or Fraction(1)

    @property
    def codec(self) -> str:
        return self._stream.codec_context.codec.name

    def reopen(self) -> None:
        """Go to the first packet, with a new decoder."""
        try:
            # Not `options`, with which PyAV writes beyond its memory if a file shows streams later.
            self._container = av.open(
                _Bytes(self._file),
                "r",
                self.form,
                container_options={"codec_whitelist": "none", "protocol_whitelist": "none"},
                metadata_errors="replace",
                buffer_size=BUFFER_BYTES,
                io_open=_refuse,
            )
        except av.error.FFmpegError as error:
            if isinstance(error, av.error.EOFError) or (self.form == "mov" and _is_cut(self._file)):
                raise ImageTruncated("the video ends before its header does; fetch or upload it again") from error
            raise ImageUnreadable(f"the video's header cannot be read: {error.strerror}") from error
        self._stream = _pictures(self._container)
        decoder = self._stream.codec_context
        check_pixels((decoder.width, decoder.height), self._most_pixels)
        decoder.options = {"max_pixels": str(self._most_pixels)}
        if self.codec == "h264":
            decoder.options["strict"] = "strict"  # else frames come out of order until it has seen how many are held
        decoder.thread_count = 1  # files are decoded side by side

    def packets(self) -> Iterator[Packet]:
        """Yield the packets from here on that have content. `is_cut` is True after them if more cannot be read."""
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    yield packet
        except av.error.FFmpegError:
            self.is_cut = True

    def packets_from(self, keyframe: int, places: Sequence[int]) -> Iterator[Packet]:
        """Yield the packets from the keyframe of this time on, with a decoder that knows nothing before it.

        Containers seek by other times than those of frames, so the `places` are tried, then the beginning. Raises
        `ImageUnreadable`.
        """
        for place in (*places, None):
            if place is None:
                self.reopen()
            elif not self._seek(place):
                continue
            for packet in self.packets():
                if packet.is_keyframe and (packet.pts is None or packet.pts >= keyframe):
                    if packet.pts != keyframe:
                        break
                    yield packet
                    yield from self.packets()
                    return
        raise ImageUnreadable("the video's keyframes cannot be found a second time; copy it into another container")

    def _seek(self, place: int) -> bool:
        try:
            self._container.seek(place, stream=self._stream)
        except av.error.FFmpegError:
            return False
        return True

    def decode(self, packet: Packet | None) -> list[VideoFrame]:
        """Return the frames that the decoder has ready; with None, the last ones. A damaged packet gives none."""
        try:
            return self._stream.codec_context.decode(packet)
        except MemoryError:
            raise
        except av.error.FFmpegError:
            return []


class _Bytes:
    """A file as libav reads it, at a separate place, and without a name, which libav would take for an address."""

    def __init__(self, file: SharedFile) -> None:
        self._file = file
        self._place = 0

    def read(self, count: int) -> bytes:
        data = self._file.read(self._place, count)
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: 0}[whence]
        self._place = start + offset + (self._file.size() if whence == os.SEEK_END else 0)
        return self._place

    def tell(self) -> int:
        return self._place


def _is_cut(file: SharedFile) -> bool:
    """Return True if an MP4 or QuickTime file ends within one of its boxes. Often the last one is the header."""
    end, place = file.size(), 0
    while end - place >= BOX_BYTES:
        size, kind = struct.unpack(">I4s", file.read(place, BOX_BYTES))
        if size == 1:
            size = int.from_bytes(file.read(place + BOX_BYTES, 8))
        if size < BOX_BYTES or not kind.isalnum():
            return False  # up to the end of the file, or no box
        place += size
    return place != end


def _pictures(container: InputContainer) -> VideoStream:
    streams = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
    if not streams:
        raise ImageUnreadable("the file has no stream of pictures; it may be sound only")
    stream = streams[0]
    decoder = None if stream.codec_context is None else stream.codec_context.codec.name
    if decoder not in DECODERS:
        raise ImageFormatUnsupported(f"the video's codec is {decoder or 'unknown'}; convert it to {CODECS}")
    return stream


def _refuse(address: str, _flags: int, _options: dict[str, Any]) -> NoReturn:
    raise ImageUnreadable(f"the video refers to another file, {address[:200]!r}; join them, as only one is read")
