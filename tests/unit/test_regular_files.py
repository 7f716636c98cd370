from __future__ import annotations

import errno
import io
import os
import socket
from pathlib import Path

import pytest

from samfleet import regular_files
from samfleet.openat2 import OpenAt2Missing
from samfleet.regular_files import (
    NotRegularFile,
    limited,
    open_folder,
    open_regular,
    open_resolved,
    read_resolved,
)


@pytest.fixture(params=["openat2", "by folders"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open paths in one call, and folder by folder as on a system without `openat2`."""

    def missing(path: str, _flags: int) -> int:
        raise OpenAt2Missing(errno.ENOSYS, "missing", path)

    if request.param == "by folders":
        monkeypatch.setattr(regular_files, "open_without_links", missing)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def test_a_regular_file_is_opened(folder: Path) -> None:
    (folder / "a").write_bytes(b"abc")
    for opened in (open_resolved, open_regular):
        with opened(folder / "a") as file:
            assert file.read() == b"abc"


@pytest.mark.parametrize("opened", [open_resolved, open_regular])
def test_a_pipe_is_refused_without_waiting_for_its_other_end(folder: Path, opened: type) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(NotRegularFile, match="a named pipe"):
        opened(folder / "pipe")


@pytest.mark.parametrize("opened", [open_resolved, open_regular])
def test_devices_folders_and_sockets_are_refused(folder: Path, opened: type) -> None:
    with pytest.raises(NotRegularFile, match="a device"):
        opened(Path("/dev/zero"))
    with pytest.raises(IsADirectoryError):
        opened(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        with pytest.raises(OSError, match="No such device or address"):
            opened(folder / "s")


def test_links_in_the_path_are_refused_unless_the_operator_chose_it(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "real/a").write_bytes(b"abc")
    (folder / "linked").symlink_to("real")
    (folder / "b").symlink_to("real/a")
    for path in (folder / "linked/a", folder / "b"):
        for opened in (open_resolved, lambda path: read_resolved(str(path), 9)):
            with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
                opened(path)
        with open_regular(path) as file:
            assert file.read() == b"abc"


def test_a_folder_is_opened_but_not_through_a_link(folder: Path) -> None:
    (folder / "real/inner").mkdir(parents=True)
    (folder / "linked").symlink_to("real")
    descriptor = open_folder(folder / "real/inner")
    assert os.path.samestat(os.fstat(descriptor), (folder / "real/inner").stat())
    os.close(descriptor)
    for path in (folder / "linked", folder / "linked/inner"):
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            open_folder(path)


@pytest.mark.parametrize("size", [0, 1, 5, 2**18 + 1])
def test_a_file_is_read_up_to_the_limit(folder: Path, size: int) -> None:
    data = os.urandom(size)
    (folder / "a\udcff é").write_bytes(data)
    for most in (0, 1, 5, 2**18, 2**19):
        assert read_resolved(str(folder / "a\udcff é"), most) == data[:most]


def test_a_file_that_states_no_size_is_read_whole() -> None:
    text = read_resolved(f"/proc/{os.getpid()}/status", 2**20)
    assert text.startswith(b"Name:")
    assert len(text) > 500


def test_a_pipe_or_device_is_never_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    for path in (str(folder / "pipe"), "/dev/zero"):
        with pytest.raises(NotRegularFile):
            read_resolved(path, 10)


def test_nothing_stays_open_when_a_file_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names alone
    for path in (folder / "pipe", folder / "missing/a", folder):
        for opened in (open_resolved, lambda path: read_resolved(str(path), 9)):
            with pytest.raises(OSError, match=r"."):
                opened(path)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above


def test_a_limited_stream_yields_the_allowed_bytes_and_then_raises() -> None:
    assert limited(io.BytesIO(b"x" * 10), 10, ValueError).read() == b"x" * 10
    with pytest.raises(ValueError, match="grew"):
        limited(io.BytesIO(b"x" * 11), 10, lambda: ValueError("grew")).read()


def test_a_limited_stream_never_reads_beyond_the_limit() -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1) -> bytes:
            assert size >= 0
            self.taken += size
            return b"0" * size

    source = Endless()
    with pytest.raises(ValueError, match="grew"):
        limited(source, 10**6, lambda: ValueError("grew")).read()  # type: ignore[arg-type]  # it has all that is used
    assert source.taken == 10**6 + 1
