"""Folders with paths that Triton can use, if those of the state directory or the installation are unsuitable.

Triton 2.51 starts the process of a Python model by `bash -c` with unquoted paths, and that process decodes them as
ASCII. A socket's address is a URI. So with a space, bracket, quote, `$` or `ü` in a path, no model works.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

from samfleet.errors import InvalidInput, SamfleetError

_PLAIN = re.compile(r"[A-Za-z0-9/_.+=@-]+")
_OTHERS = 0o077


class SocketFolderTaken(SamfleetError):
    """The folder for the stack's socket belongs to another account or is open to others; remove it."""

    code = "stack_socket_folder_taken"


class PathUnusable(InvalidInput):
    """The stack cannot use this path; choose another state directory with SAMFLEET_STATE_DIR, or set TMPDIR."""

    code = "stack_path_unusable"


def is_plain(path: Path) -> bool:
    """Return True if the path needs no quoting in a shell or URI and is ASCII."""
    return _PLAIN.fullmatch(str(path)) is not None


def require_usable(state_dir: Path) -> None:
    """Raise `PathUnusable` for a state directory whose path the stack's files cannot hold, or that needs a folder for
    temporary files when there is none.
    """
    if not str(state_dir).isprintable():
        raise PathUnusable(
            f"the state directory {str(state_dir)!r} has characters in its path that are not UTF-8 or cannot be "
            "printed; choose another one with SAMFLEET_STATE_DIR"
        )
    if not is_plain(state_dir):
        temporary_path(state_dir)


def temporary_path(state_dir: Path) -> Path:
    """Return the state directory's folder for temporary files, which need not exist yet. Raises `PathUnusable`."""
    return _temporary_parent() / _own_name(state_dir)


def temporary_paths(state_dir: Path) -> list[Path]:
    """Return all paths that `temporary_path` may have returned earlier."""
    return [parent / _own_name(state_dir) for parent in _candidates()]


def make_closed(folder: Path) -> Path:
    """Create a folder that only this account may enter. Raises `SocketFolderTaken` if its name is taken."""
    folder.mkdir(exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS:
        raise SocketFolderTaken(f"{folder} is not a folder that only this account may enter; remove it")
    return folder


def plain_copy(source: Path, target: Path) -> Path:
    """Return `source` if its path is plain. Otherwise copy its files to `target`, replacing it."""
    if is_plain(source):
        return source
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
    return target


def _own_name(state_dir: Path) -> str:
    return f"samfleet-{os.geteuid()}-{hashlib.sha256(bytes(state_dir)).hexdigest()[:12]}"


def _candidates() -> list[Path]:
    return list(dict.fromkeys((Path(tempfile.gettempdir()), Path("/var/tmp"))))  # noqa: S108 - see `make_closed`


def _runs_programs(folder: Path) -> bool:
    """Return whether programs may run from the folder, as Triton needs: not if it is mounted with `noexec`."""
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


def _temporary_parent() -> Path:
    for folder in _candidates():
        usable = is_plain(folder) and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
        if usable and _runs_programs(folder):
            return folder
    raise PathUnusable(
        "Triton cannot use paths with spaces, quotes or non-ASCII letters, and no folder for temporary files without "
        f"them is writable and allows programs ({', '.join(map(str, _candidates()))}); choose another state directory "
        "with SAMFLEET_STATE_DIR, or set TMPDIR"
    )
