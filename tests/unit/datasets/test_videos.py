"""Frames of videos made here: numbers by presentation, and the same pixels however they are reached."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fixtures.images.videos import GROUND, KINDS, SIZE, filmed, number_of
from samfleet.datasets.frames import opening
from samfleet.datasets.frames.limits import FrameLimits
from samfleet.datasets.frames.opening import Frames, open_frames
from samfleet.image_errors import (
    FrameMissing,
    ImageFailed,
    ImageFormatUnsupported,
    ImageTooLarge,
    ImageTruncated,
    ImageUnreadable,
    TooManyFrames,
)

av = pytest.importorskip("av")
video_run = pytest.importorskip("samfleet.datasets.frames.video_run")
videos = pytest.importorskip("samfleet.datasets.frames.videos")
video_source = pytest.importorskip("samfleet.datasets.frames.video_source")
SharedFile, VideoSource = video_source.SharedFile, video_source.VideoSource

LIMITS = FrameLimits()


def opened(data: bytes, limits: FrameLimits = LIMITS) -> Any:
    return open_frames(io.BytesIO(data), limits)


def pixels(frame: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(frame)))


def decoded(data: bytes) -> list[np.ndarray[Any, Any]]:
    """Return the frames as PyAV decodes them one after the other."""
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def result(frames: Frames, index: int) -> Any:
    """Return the pixels of a frame, or the code of its error."""
    try:
        return pixels(frames.read(index)).tobytes()
    except ImageFailed as error:
        return error.code


@pytest.mark.parametrize("kind", KINDS)
def test_frames_have_the_pixels_of_sequential_decoding(kind: str) -> None:
    data = KINDS[kind]()
    expected = decoded(data)
    assert len(expected) == 25
    forwards, at_random = opened(data), opened(data)
    assert list(forwards.indices()) == list(range(25))
    for index in random.Random(kind).sample(range(25), 25):
        frame = at_random.read(index)
        assert number_of(frame) == index
        np.testing.assert_array_equal(pixels(frame), expected[index])
    for index in range(25):
        np.testing.assert_array_equal(pixels(forwards.read(index)), expected[index])
    with pytest.raises(FrameMissing, match="no frame 25; it has 25"):
        forwards.read(25)


class CountedDecoder:
    """Counter of the packets that videos decode."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.packets = 0
        decode = VideoSource.decode

        def counted(source: Any, packet: Any) -> Any:
            self.packets += packet is not None
            return decode(source, packet)

        monkeypatch.setattr(VideoSource, "decode", counted)


def test_neighbours_are_decoded_once_and_others_from_their_keyframe(monkeypatch: pytest.MonkeyPatch) -> None:
    video = opened(filmed(frames=100))
    counter = CountedDecoder(monkeypatch)
    for index in range(0, 100, 3):
        assert number_of(video.read(index)) == index
    assert counter.packets <= 100
    counter.packets = 0
    assert [number_of(video.read(index)) for index in (95, 4)] == [95, 4]
    assert counter.packets <= 2 * 20


@pytest.mark.parametrize("form", ["mp4", "avi"])
def test_parts_of_a_video_are_read_side_by_side(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    video = opened(filmed(form, frames=96))
    counter = CountedDecoder(monkeypatch)
    for index in range(24):
        for part in (24, 72, 0, 48):
            assert number_of(video.read(part + index)) == part + index
    most = 96 + 4 * 20 if form == "mp4" else 24 + 48 + 72 + 96 + 4 * 5
    assert counter.packets <= most


@pytest.mark.parametrize("form", ["mp4", "avi"])
def test_threads_share_a_video(form: str) -> None:
    video = opened(filmed(form, frames=60))
    wanted = list(range(60))
    random.Random(1).shuffle(wanted)
    with ThreadPoolExecutor(6) as threads:
        assert [number_of(frame) for frame in threads.map(video.read, wanted)] == wanted


def test_times_are_those_of_the_container() -> None:
    def times(data: bytes) -> list[float]:
        video = opened(data)
        return [video.times().seconds(index) for index in (0, 1, 2, 24)]

    assert times(filmed()) == [0, 0.04, 0.08, 0.96]
    assert times(filmed("avi")) == [0, 0.04, 0.08, 0.96]
    assert times(filmed("matroska", at=lambda number: number + 125)) == [0, 0.04, 0.08, 0.96]
    assert times(filmed(at=lambda number: number * number, unit=Fraction(1, 1000))) == [0, 0.001, 0.004, 0.576]


def test_edit_list_applies() -> None:
    data = filmed(frames=38)
    place = data.index(b"elst") + 12  # of the only edit: its duration and the time at which it begins, in ticks
    duration, begin = struct.unpack(">Ii", data[place : place + 8])
    edited = data[:place] + struct.pack(">Ii", duration, begin + 13 * 512) + data[place + 8 :]
    video = opened(edited)
    assert [number_of(video.read(index)) for index in (24, 7, 0, 1)] == [37, 20, 13, 14]
    assert (len(video.indices()), video.times().seconds(24)) == (25, 0.96)
    for index, frame in enumerate(decoded(edited)):
        np.testing.assert_array_equal(pixels(video.read(index)), frame)


def turned(data: bytes, matrix: tuple[int, int, int, int]) -> bytes:
    """Return an MP4 with another matrix in the header of its track."""
    place = data.index(b"tkhd") + 44
    a, b, c, d = (number << 16 for number in matrix)
    return data[:place] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[place + 36 :]


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((0, 1, -1, 0), lambda stored: np.rot90(stored, -1)),  # a telephone held upright
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, -1), lambda stored: np.rot90(stored, 2)),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda stored: stored.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda stored: np.rot90(stored, 2).transpose(1, 0, 2)),
    ],
)
def test_frames_are_upright(matrix: tuple[int, int, int, int], expected: Callable[[Any], Any]) -> None:
    data = filmed(frames=2)
    [stored, _] = decoded(data)
    np.testing.assert_array_equal(pixels(opened(turned(data, matrix)).read(0)), expected(stored))


@pytest.mark.parametrize(("form", "codec"), [("mp4", "libx264"), ("matroska", "libx264"), ("mpeg", "mpeg2video")])
def test_pixels_become_square(form: str, codec: str) -> None:
    wide = filmed(form, codec, frames=2, sample_aspect_ratio=Fraction(16, 9))  # 4:3 with 16:9 pixels: 64:27
    assert pixels(opened(wide).read(0)).shape == (48, 114 if form != "mpeg" else 106, 3)


def test_colours_follow_what_the_video_states() -> None:
    def colour(**stated: Any) -> Any:
        file = filmed("matroska", "ffv1", frames=1, options={}, pixels="yuv444p", **stated)
        return pixels(opened(file).read(0))[40, 5].tolist()

    assert colour() == [GROUND, GROUND, GROUND]
    full = filmed("mov", "mjpeg", frames=1, options={}, pixels="yuvj444p")
    np.testing.assert_allclose(pixels(opened(full).read(0))[40, 5], GROUND, atol=3)


def damaged(data: bytes, packet: int) -> bytes:
    """Return a file in which the content of a packet, by its place in decoding order, is lost."""
    with av.open(io.BytesIO(data)) as container:
        places = [(one.pos, one.size) for one in container.demux(video=0) if one.size]
    place, size = places[packet]
    return data[: place + 4] + bytes(size - 4) + data[place + size :]


@pytest.mark.parametrize(("form", "codec"), [("mp4", "libx264"), ("avi", "libx264"), ("webm", "libvpx-vp9")])
def test_damage_gives_the_same_frames_in_any_order(form: str, codec: str) -> None:
    data = damaged(filmed(form, codec, gop_size=10, options=None if codec == "libx264" else {}), 14)
    forwards = opened(data)
    found = [result(forwards, index) for index in forwards.indices()]
    assert "image_unreadable" in found
    assert len({one for one in found if len(one) > 100}) > 10
    backwards = opened(data)
    assert [result(backwards, index) for index in reversed(backwards.indices())] == found[::-1]


def test_cut_video_has_the_frames_up_to_its_end() -> None:
    data = filmed(container={"movflags": "frag_keyframe+empty_moov"})
    video = opened(data[: data.rindex(b"mdat") + 20])
    assert list(video.indices()) == list(range(21))  # 20 in two fragments, and the first one of the third
    assert [number_of(video.read(index)) for index in (19, 3)] == [19, 3]
    with pytest.raises(ImageTruncated, match="within frame 20"):
        video.read(20)
    with pytest.raises(ImageTruncated, match="before its header does"):
        opened(filmed()[:-300])  # its header is at the end


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\x18ftypisom" + bytes(12),
        b"\x1a\x45\xdf\xa3" + bytes(200),
        b"RIFF\xff\0\0\0AVI LIST" + bytes(200),
        b"\0\0\1\xba" + bytes(500),
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",  # libav would open the file that it names
        b"ffconcat version 1.0\nfile /etc/hostname\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5000 RTP/AVP 96\n",
    ],
)
def test_files_that_are_no_videos(data: bytes) -> None:
    with pytest.raises((ImageUnreadable, ImageTruncated)):
        opened(data)


def test_libav_opens_no_other_file() -> None:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n"
    with pytest.raises(ImageUnreadable, match=r"refers to another file, '.*other\.ts'"):
        VideoSource(SharedFile(io.BytesIO(playlist)), "hls", LIMITS)  # a container that `open_frames` never chooses


def test_sound_and_codecs_that_are_not_read() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as made:
        stream = made.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    with pytest.raises(ImageUnreadable, match="sound only"):
        opened(file.getvalue())
    with pytest.raises(ImageFormatUnsupported, match="codec is wmv2; convert it"):
        opened(filmed("avi", "wmv2", options={}))


def test_videos_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    data, area = filmed(), SIZE[0] * SIZE[1]
    assert len(opened(data, FrameLimits(pixels=area)).indices()) == 25
    with pytest.raises(ImageTooLarge):
        opened(data, FrameLimits(pixels=area - 1))
    monkeypatch.setattr(video_run, "MOST_DECODED_PIXELS", 12 * area)
    assert number_of(opened(data).read(20)) == 20  # near a keyframe
    with pytest.raises(TooManyFrames, match="keyframe every few seconds"):
        opened(filmed(options={"x264-params": "keyint=100"})).read(24)


def test_header_that_states_fewer_pixels_than_the_frames_have(monkeypatch: pytest.MonkeyPatch) -> None:
    data = filmed("matroska", options={"x264-params": "keyint=100"})
    place = data.index(b"\xb0\x81\x40\xba\x81\x30")  # PixelWidth 64, PixelHeight 48
    small = data[:place] + b"\xb0\x81\x10\xba\x81\x10" + data[place + 6 :]
    with pytest.raises(ImageUnreadable):
        opened(small, FrameLimits(pixels=SIZE[0] * SIZE[1] - 1)).read(0)
    monkeypatch.setattr(video_run, "MOST_DECODED_PIXELS", 12 * SIZE[0] * SIZE[1])
    with pytest.raises(TooManyFrames):
        opened(small).read(24)


def test_without_the_extra_a_video_fails_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = filmed(frames=1)
    monkeypatch.setattr(opening, "find_spec", lambda _name: None)
    with pytest.raises(ImageFormatUnsupported, match=r"install samfleet\[video\]"):
        opened(data)
