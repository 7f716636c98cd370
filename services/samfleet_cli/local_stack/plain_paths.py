"""Folders whose paths Triton can use, for a state directory or an installation with another path.

Triton 2.51 starts the process of a Python model by `bash -c` with paths that it does not quote, and that process
decodes them as ASCII. A socket's address is a URI. So a path with a space, a bracket, a quote, `$` or `ü` stops all
models.
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
    """The folder for the stack's socket belongs to another account or may be entered by others; remove it."""

    code = "stack_socket_folder_taken"


class PathUnusable(InvalidInput):
    """The path cannot be used for the stack; name another state directory with SAMFLEET_STATE_DIR, or set TMPDIR."""

    code = "stack_path_unusable"


def is_plain(path: Path) -> bool:
    """Return True if a shell, a URI and an ASCII decoder all take the path as it is."""
    return _PLAIN.fullmatch(str(path)) is not None


def require_usable(state_dir: Path) -> None:
    """Raise `PathUnusable` for a state directory that no file of the stack could name, or that needs a folder for
    temporary files where there is none.
    """
    if not str(state_dir).isprintable():
        raise PathUnusable(
            f"the state directory {str(state_dir)!r} has characters in its path that are not UTF-8 or cannot be "
            "printed; name another one with SAMFLEET_STATE_DIR"
        )
    if not is_plain(state_dir):
        temporary_path(state_dir)


def temporary_path(state_dir: Path) -> Path:
    """The state directory's own folder among temporary files, which need not exist yet. Raises `PathUnusable`."""
    return _temporary_parent() / _own_name(state_dir)


def temporary_paths(state_dir: Path) -> list[Path]:
    """All that `temporary_path` may ever have been."""
    return [parent / _own_name(state_dir) for parent in _candidates()]


def make_closed(folder: Path) -> Path:
    """Make a folder that this account alone may enter; raises `SocketFolderTaken` where its name is taken."""
    folder.mkdir(exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS:
        raise SocketFolderTaken(f"{folder} is not a folder that this account alone may enter; remove it")
    return folder


def plain_copy(source: Path, target: Path) -> Path:
    """`source` itself where its path is plain, else its files below `target`, which is replaced."""
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
    """Triton runs a program from there, which a file system mounted with `noexec` refuses."""
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


def _temporary_parent() -> Path:
    for folder in _candidates():
        usable = is_plain(folder) and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
        if usable and _runs_programs(folder):
            return folder
    raise PathUnusable(
        "Triton cannot use paths with spaces, quotes or letters beyond ASCII, and no folder for temporary files "
        f"without them can be written and run programs ({', '.join(map(str, _candidates()))}); name another state "
        "directory with SAMFLEET_STATE_DIR, or set TMPDIR"
    )
