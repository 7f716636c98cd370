from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import pytest

from samfleet.regular_files import NotRegularFile, limited, open_regular, open_resolved


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
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            open_resolved(path)
        with open_regular(path) as file:
            assert file.read() == b"abc"


def test_nothing_stays_open_when_a_file_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names alone
    for path in (folder / "pipe", folder / "missing/a", folder):
        with pytest.raises(OSError, match=r"."):
            open_resolved(path)
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
