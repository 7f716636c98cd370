"""Tests that tell files, folders and the state of a stack apart; names and links may be broken."""

from __future__ import annotations

import os
from pathlib import Path

SYSTEM_FOLDERS = (Path("/proc"), Path("/sys"), Path("/dev"))  # virtual: endless, and their files are not data
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the only folder of /dev with files of users


def is_state(descriptor: int) -> bool:
    """Return True if an open folder is the state of a stack, which has copies of uploaded images."""
    names = ("api_key", "storage", "postgres", "logs")
    try:
        for name in names:
            os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return False
    return True


def is_directory(entry: os.DirEntry[str]) -> bool:
    """Return `DirEntry.is_dir`, and False for a link to itself, on which that raises."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_file_or_broken(entry: os.DirEntry[str]) -> bool:
    """Return True for a file or a broken link; the link counts as an image, so that its error is reported."""
    if not entry.is_symlink():
        return entry.is_file()
    try:
        entry.stat()
    except OSError:
        return True
    return entry.is_file()


def is_of_system(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in SYSTEM_FOLDERS) and not path.is_relative_to(SHARED_MEMORY)


def real_path(path: str | Path) -> Path:
    return Path(os.path.realpath(path))


def is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
