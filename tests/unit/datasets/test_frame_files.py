"""Choice, addresses and names of frames, and the files in which they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import numpy as np
import pytest

from fixtures.images.animations import BLUE, COLOURS, RED, animated, colour_of, plain, saved
from fixtures.images.videos import filmed
from samfleet.datasets.content import held_bytes, is_unchanged, read_image
from samfleet.datasets.copying import NewImage
from samfleet.datasets.folder_walk import settled_times
from samfleet.datasets.frame_addresses import FrameAddress, file_of, frame_name
from samfleet.datasets.frames.choice import FrameChoice
from samfleet.datasets.frames.files import FrameFiles
from samfleet.datasets.frames.limits import FrameLimits
from samfleet.datasets.frames.listing import FrameLister
from samfleet.datasets.frames.reader import FrameReader
from samfleet.datasets.frames.side_by_side import AT_A_TIME
from samfleet.datasets.frames.times import FrameTimes
from samfleet.image_errors import (
    ImageFailed,
    ImageTooLarge,
)
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import StorageUnavailable

LIMITS = FrameLimits()


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (FrameChoice(every=1), range(10)),
        (FrameChoice(every=4), [0, 4, 8]),
        (FrameChoice(every=4, most=2), [0, 4]),
        (FrameChoice(every=100), [0]),
        (FrameChoice(count=1), [0]),
        (FrameChoice(count=4), [0, 2, 5, 7]),
        (FrameChoice(count=10), range(10)),
        (FrameChoice(count=99), range(10)),
        (FrameChoice(count=4, most=3), [0, 2, 5]),
    ],
)
def test_chosen_frames(choice: FrameChoice, expected: Sequence[int]) -> None:
    assert list(choice.of_frames(range(10))) == list(expected)


VARIABLE = FrameTimes(np.array([0, 40, 80, 500, 540, 3000, 3040]), Fraction(1, 1000))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (FrameChoice(every=2), [0, 2, 4, 6]),
        (FrameChoice(every=1, start=0.08), [2, 3, 4, 5, 6]),
        (FrameChoice(every=2, start=0.081, end=3.0), [3]),
        (FrameChoice(count=2, end=0.54), [0, 2]),
        (FrameChoice(every=1, start=4.0), []),
        (FrameChoice(every_seconds=1.0), [0, 4, 5]),  # frame 4 is shown at 1 s and 2 s, and is one image
        (FrameChoice(every_seconds=0.04), [0, 1, 2, 3, 4, 5, 6]),
        (FrameChoice(every_seconds=0.001, most=3), [0, 1, 2]),
        (FrameChoice(every_seconds=1.0, start=0.51), [4]),  # frame 3 is shown then, but begins before
        (FrameChoice(every_seconds=1.0, start=0.5, end=0.54), [3]),
        (FrameChoice(every_seconds=1.0, start=0.3), [3, 4]),
        (FrameChoice(every_seconds=100.0), [0]),
        (FrameChoice(every_seconds=1.0, start=9.0), []),
    ],
)
def test_chosen_frames_of_a_video(choice: FrameChoice, expected: Sequence[int]) -> None:
    assert list(choice.of_frames(range(7), VARIABLE)) == list(expected)


def test_times_are_rounded_as_containers_round_them() -> None:
    thirds = FrameTimes(np.array([0, 333, 667, 1000]), Fraction(1, 1000))
    assert list(FrameChoice(every_seconds=0.3333333).of_frames(range(4), thirds)) == [0, 1, 2, 3]
    late = FrameTimes(np.array([0, 2**62]), Fraction(1, 1))
    assert list(FrameChoice(every_seconds=0.001).of_frames(range(2), late)) == [0, 1]


def test_files_without_times_have_their_first_frame() -> None:
    assert list(FrameChoice(every_seconds=1.0).of_frames(range(4))) == [0]
    assert list(FrameChoice(every=2, start=9.0, end=10.0).of_frames(range(4))) == [0, 2]


def test_addresses_and_names() -> None:
    address = FrameAddress("s3://p@b/scan%3A.tif#%22e%22", 7)
    assert FrameAddress.of(address.uri) == address
    assert file_of(address.uri) == address.file
    assert FrameAddress.of("file:///frame:7:scan.tif") is None
    assert file_of("store:contents/a") == "store:contents/a"
    assert frame_name("sub/scan.tif", 3) == "sub/scan.tif/000003.png"
    assert sorted([frame_name("a.gif", 10), frame_name("a.gif", 9)]) == ["a.gif/000009.png", "a.gif/000010.png"]


@pytest.fixture
def listed(tmp_path: Path) -> Callable[[str, bytes, FrameChoice], list[tuple[str, str]]]:
    def listed(name: str, data: bytes, choice: FrameChoice) -> list[tuple[str, str]]:
        (tmp_path / name).write_bytes(data)
        files = FrameFiles(MemoryStore(), {}, {}, FrameLimits(frames=5))
        uri = (tmp_path / name).as_uri()
        return [(one.file_name, one.uri) for one in FrameLister(choice, files).frames_of(name, uri)]

    return listed


def test_listed_frames(listed: Callable[..., list[tuple[str, str]]], tmp_path: Path) -> None:
    everything, second = FrameChoice(every=1), FrameChoice(index=1)
    assert [name for name, _ in listed("a.gif", animated("GIF"), FrameChoice(every=2))] == [
        "a.gif/000000.png",
        "a.gif/000002.png",
    ]
    assert listed("a.jpg", b"any", everything) == [("a.jpg", (tmp_path / "a.jpg").as_uri())]
    assert listed("b.tif", saved([plain(RED)], "TIFF"), everything) == [("b.tif", (tmp_path / "b.tif").as_uri())]
    assert [name for name, _ in listed("b.gif", saved([plain(RED)], "GIF"), everything)] == ["b.gif/000000.png"]
    seconds = FrameChoice(every_seconds=1.0)
    assert listed("b.tif", animated("TIFF"), seconds) == [("b.tif", (tmp_path / "b.tif").as_uri())]
    assert [name for name, _ in listed("b.gif", animated("GIF"), seconds)] == ["b.gif/000000.png"]
    [(name, uri)] = listed("b.tif", saved([plain(RED)], "TIFF"), second)
    assert (name, file_of(uri)) == ("b.tif/000001.png", (tmp_path / "b.tif").as_uri())


class MeetingFiles(FrameFiles):
    """Files that are read only while as many as allowed are read side by side."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), {}, {}, LIMITS)
        self.meeting = Barrier(AT_A_TIME)
        self.counting = Lock()
        self.most = self.now = 0

    def open(self, address: str) -> Any:
        with self.counting:
            self.now += 1
            self.most = max(self.most, self.now)
        self.meeting.wait(60)
        with self.counting:
            self.now -= 1
        return super().open(address)


def test_files_are_read_side_by_side_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(animated("GIF"))
    names = [f"{number}.gif" for number in range(2 * AT_A_TIME)]
    names.insert(3, "between.jpg")
    files = MeetingFiles()
    images = [NewImage(name, (tmp_path / "a.gif").as_uri(), 5) for name in names]
    found = list(FrameLister(FrameChoice(count=2), files).images_of_all(images))
    assert [(file.file_name, [one.file_name for one in of_file]) for file, of_file in found] == [
        (name, [name] if name == "between.jpg" else [f"{name}/000000.png", f"{name}/000002.png"]) for name in names
    ]
    assert files.most == AT_A_TIME


def test_an_error_ends_the_reading_of_files() -> None:
    def failing(_address: str) -> Any:
        raise StorageUnavailable("no answer")

    files = FrameFiles(MemoryStore(), {}, {"s3": failing}, LIMITS)
    images = [NewImage(f"{number}.tif", "s3://a/b.tif", 5) for number in range(100)]
    with pytest.raises(StorageUnavailable):
        list(FrameLister(FrameChoice(every=1), files).images_of_all(images))


def test_listed_frames_of_a_video(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / "a.MP4"
    path.write_bytes(filmed())

    def found(choice: FrameChoice) -> list[tuple[str, object]]:
        lister = FrameLister(choice, FrameFiles(MemoryStore(), {}, {}, FrameLimits(frames=5)))
        return [(one.file_name, dict(one.metadata)) for one in lister.frames_of("a.MP4", path.as_uri())]

    assert found(FrameChoice(every_seconds=0.4)) == [
        ("a.MP4/000000.png", {"frame": 0, "time_seconds": 0.0}),
        ("a.MP4/000010.png", {"frame": 10, "time_seconds": 0.4}),
        ("a.MP4/000020.png", {"frame": 20, "time_seconds": 0.8}),
    ]
    assert found(FrameChoice(index=3)) == [("a.MP4/000003.png", {"frame": 3})]
    assert len(found(FrameChoice(count=5))) == 5  # the chosen frames are limited, not those of the file
    assert found(FrameChoice(count=6)) == [("a.MP4", {})]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.tif", saved([plain(RED)] * 6, "TIFF"), "too_many_frames"),
        ("a.gif", b"GIF89a", "image_truncated"),
        ("a.png", b"", "image_empty"),
        ("a.webp", b"text", "image_unreadable"),
        ("a.mp4", b"text", "image_unreadable"),
        (f"{'a' * 240}.tif", saved([plain(RED)] * 6, "TIFF"), "too_many_frames"),
    ],
)
def test_file_whose_frames_cannot_be_counted_is_an_image_that_fails(
    listed: Callable[..., list[tuple[str, str]]], name: str, data: bytes, code: str
) -> None:
    [(file_name, uri)] = listed(name, data, FrameChoice(every=1))
    assert file_name == name
    with pytest.raises(ImageFailed) as caught:
        read_image(MemoryStore(), uri, 100)
    assert caught.value.code == code


class CountedFiles(FrameFiles):
    opened = 0

    def open(self, address: str) -> Any:
        self.opened += 1
        return super().open(address)


def test_reader_opens_a_file_once_and_notices_a_change(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(animated("GIF"))
    files = CountedFiles(MemoryStore(), {}, {}, LIMITS)
    remote = FrameReader(files).readers
    addresses = [FrameAddress(path.as_uri(), index).uri for index in range(4)]

    def colours() -> list[Any]:
        return [colour_of(read_image(MemoryStore(), uri, 10**6, remote)) for uri in addresses]

    assert colours() == list(COLOURS)
    assert files.opened == 1
    path.unlink()
    path.write_bytes(saved([plain(colour) for colour in COLOURS[::-1]], "GIF"))
    assert colours() == list(COLOURS[::-1])
    assert files.opened == 2
    with pytest.raises(ImageTooLarge):
        read_image(MemoryStore(), addresses[0], 10, remote)


def test_uploaded_files_are_read_through_a_copy() -> None:
    store = MemoryStore()
    store.put("contents/t/images/x", animated("TIFF"))
    remote = FrameReader(FrameFiles(store, {}, {}, LIMITS)).readers
    assert colour_of(read_image(store, "frame:2:store:contents/t/images/x", 10**6, remote)) == BLUE
    small = FrameReader(FrameFiles(store, {}, {}, FrameLimits(file_bytes=10))).readers
    with pytest.raises(ImageTooLarge, match="SAMFLEET_MAX_FRAMES_FILE_BYTES"):
        read_image(store, "frame:2:store:contents/t/images/x", 10**6, small)
    with pytest.raises(ImageFailed, match="missing from the store"):
        read_image(store, "frame:2:store:contents/t/images/y", 10**6, remote)


def test_frame_is_as_unchanged_as_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"pages")
    status = path.stat()
    uri = FrameAddress(path.as_uri(), 3).uri
    assert is_unchanged(uri, 5, status.st_mtime_ns, status.st_ctime_ns)
    assert not is_unchanged(uri, 5, status.st_mtime_ns - 1, status.st_ctime_ns)
    assert held_bytes(uri, 5) == 8 * 2**20
    assert settled_times(status) is None
