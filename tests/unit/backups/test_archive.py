"""The file of a backup: whole, damaged in each way, and readable without samfleet."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard

from samfleet_cli.backups.archive import SUMS, ArchiveWriter, read_archive, require_frame
from samfleet_cli.backups.errors import BackupDamaged, NotABackup

FILES = {"backup.json": b"{}", "objects/runs/é/1": bytes(range(256)) * 5000, "empty": b""}


def write(folder: Path, files: dict[str, bytes] = FILES) -> bytes:
    output = io.BytesIO()
    archive = ArchiveWriter(output, folder)
    for name, data in files.items():
        archive.add_bytes(name, data)
    archive.finish()
    archive.close()
    return output.getvalue()


def read(data: bytes) -> dict[str, bytes]:
    return {member.name: member.stream.read(member.size) for member in read_archive(io.BytesIO(data))}


def packed(*files: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return an archive with any members, as another program may write it."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        for info, data in files:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return zstandard.compress(output.getvalue())


def test_members_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read(write(tmp_path)) == FILES


def test_members_that_nobody_reads_are_compared_too(tmp_path: Path) -> None:
    assert [member.name for member in read_archive(io.BytesIO(write(tmp_path)))] == list(FILES)


def test_tar_and_sha256sum_read_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(zstandard.decompress(write(tmp_path), max_output_size=10**7))
    subprocess.run(("tar", "-xf", "file"), cwd=tmp_path, check=True)
    done = subprocess.run(("sha256sum", "-c", SUMS), cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.count("OK") == len(FILES)


def test_every_cut_is_an_error(tmp_path: Path) -> None:
    data = write(tmp_path)
    for size in range(8, len(data) - 8, max(1, len(data) // 40)):
        with pytest.raises(BackupDamaged):
            read(data[:size])


def test_every_changed_byte_is_an_error(tmp_path: Path) -> None:
    data = write(tmp_path)
    for place in range(16, len(data), max(1, len(data) // 40)):
        changed = bytearray(data)
        changed[place] ^= 0x55
        with pytest.raises(BackupDamaged):
            read(bytes(changed))


def test_another_sum_names_its_member() -> None:
    sums = f"{hashlib.sha256(b'other').hexdigest()}  one\n".encode()
    with pytest.raises(BackupDamaged, match="'one' in the backup has another SHA-256"):
        read(packed((tarfile.TarInfo("one"), b"x"), (tarfile.TarInfo(SUMS), sums)))


def test_a_member_without_a_sum_is_an_error() -> None:
    with pytest.raises(BackupDamaged, match=f"'one' in the backup is not in {SUMS}"):
        read(packed((tarfile.TarInfo("one"), b"x"), (tarfile.TarInfo(SUMS), b"")))


@pytest.mark.parametrize("name", ["../up", "/root", "a//b", "a/../b"])
def test_names_that_lead_out_of_the_archive_are_refused(name: str) -> None:
    with pytest.raises(BackupDamaged, match="invalid name"):
        read(packed((tarfile.TarInfo(name), b"x")))


def test_links_are_refused() -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(BackupDamaged, match="no regular file"):
        read(packed((link, b"")))


def test_a_stream_that_ends_early_is_an_error(tmp_path: Path) -> None:
    archive = ArchiveWriter(io.BytesIO(), tmp_path)
    with pytest.raises(OSError, match="unexpected end of data"):
        archive.add("short", 10, io.BytesIO(b"x"))
    archive.close()


def test_another_file_is_no_backup() -> None:
    with pytest.raises(NotABackup, match="zstd"):
        require_frame(io.BytesIO(b"PK\x03\x04"))
