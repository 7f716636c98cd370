"""Files of this machine that manifests name, with their folders resolved once."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samfleet.datasets.allowed_paths import DirectoryNotAllowed, resolve_allowed

MOST_FOLDERS = 10_000  # remembered at a time


@dataclass(frozen=True, slots=True)
class Located:
    """A file by its real path; `status` is None if it cannot be looked at, which reading it will report."""

    path: str
    status: os.stat_result | None


@dataclass(frozen=True, slots=True)
class AllowedFiles:
    """Files under the allowed roots.

    Resolving a path looks at each of its folders, and the lines of a manifest share few. So the links of a folder are
    followed once. Images are later read only from paths without links, so a link that appears meanwhile leads nowhere.
    """

    roots: Sequence[Path]
    _real: dict[str, str | None] = field(default_factory=dict)

    def locate(self, path: str) -> Located:
        """Return the file, with links followed. Raises like `resolve_allowed`."""
        folder, _, name = path.rpartition("/")
        real = self._folder(folder) if name not in {"", ".", ".."} else None
        if real is not None:
            place = f"{real}/{name}"
            try:
                status = os.lstat(place)
            except OSError:
                return Located(place, None)
            if not stat.S_ISLNK(status.st_mode):
                return Located(place, status)
        place = os.fspath(resolve_allowed(path, self.roots))
        try:
            return Located(place, os.stat(place))  # noqa: PTH116 - a `Path` costs more than the call
        except OSError:
            return Located(place, None)

    def _folder(self, folder: str) -> str | None:
        """Return the real path of a folder inside the roots; None if each of its files must be checked alone."""
        if folder not in self._real:
            if len(self._real) >= MOST_FOLDERS:
                self._real.clear()
            self._real[folder] = self._resolved(folder)
        return self._real[folder]

    def _resolved(self, folder: str) -> str | None:
        try:
            real = os.fspath(resolve_allowed(folder or "/", self.roots))
        except DirectoryNotAllowed:
            return None  # a file there may be a link to an allowed one
        return None if real == "/" else real  # the system's own folders are in it
