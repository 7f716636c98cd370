"""Tells files, folders and the state of a stack apart, whatever their names and links."""

from __future__ import annotations

import os
from pathlib import Path

SYSTEM_FOLDERS = (Path("/proc"), Path("/sys"), Path("/dev"))  # the kernel's: endless, and files there are no data
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the one folder of /dev where people put files


def is_state(descriptor: int) -> bool:
    """Return True if an open folder is the state of a stack, which holds copies of uploaded images."""
    names = ("api_key", "storage", "postgres", "logs")
    try:
        for name in names:
            os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return False
    return True


def is_directory(entry: os.DirEntry[str]) -> bool:
    """`DirEntry.is_dir` fails on a link that points to itself, which is no directory."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_file_or_broken(entry: os.DirEntry[str]) -> bool:
    """A broken link counts as an image: it gets an error of its own, which someone will see."""
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
