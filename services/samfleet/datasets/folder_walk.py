"""Walk through a folder and its subfolders, within limits. Links may lead anywhere under the roots."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

from samfleet.datasets.allowed_paths import DirectoryNotAllowed
from samfleet.datasets.content import unusable_uri
from samfleet.datasets.folder_entries import is_directory, is_file_or_broken, is_of_system, is_state, real_path
from samfleet.datasets.left_out import LeftOutTally, Reason, reason_of
from samfleet.errors import InvalidInput
from samfleet.regular_files import open_folder

ENTRIES_BETWEEN_CLOCKS = 100
# A file written within this time may be written again without getting another time: the clocks of file systems tick.
UNSETTLED_NS = 50_000_000
UNSETTLED_COARSE_NS = 2_000_000_000  # of a file system that counts whole seconds
SECOND_NS = 1_000_000_000
NAMES_OF_A_FOLDER = 16  # most links followed to one folder; two links a level would double the names at each level


class DirectoryUnreadable(InvalidInput):
    """The server cannot read this directory; give its user access."""

    code = "directory_unreadable"


class DirectoryTooLarge(InvalidInput):
    """The directory is too deep, has too many entries, or takes too long to list; name a smaller one."""

    code = "directory_too_large"


class DirectoryLinksRepeat(InvalidInput):
    """Symbolic links lead to the same folder too many times; remove them."""

    code = "directory_links_repeat"


@dataclass(frozen=True, slots=True)
class ListingLimits:
    """Limits of a listing: `depth` of folders below the listed one, `entries` of all kinds, and `seconds`."""

    depth: int = 32
    entries: int = 2_000_000
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image file: `name` is relative to the listed folder, `file` is absolute with all links resolved.

    An image with a `fault` will fail with this message. Paths of files are texts here: those of `pathlib` take most of
    the time of a listing. For `times` see `settled_times`.
    """

    name: str
    file: str
    size_bytes: int
    fault: str | None = None
    times: tuple[int, int] | None = None

    @property
    def path(self) -> Path:
        return Path(self.file)

    @property
    def uri(self) -> str:
        if self.fault is not None:
            return unusable_uri(self.fault)
        return f"file://{quote_from_bytes(os.fsencode(self.file))}"  # like `Path.as_uri`


def settled_times(status: os.stat_result) -> tuple[int, int] | None:
    """Return (mtime, ctime) in nanoseconds; None if the file was written a moment ago.

    Equal times of a settled file mean that nobody wrote to it in between: programs can set mtime, but not ctime.
    """
    changed = status.st_ctime_ns
    unsettled = UNSETTLED_NS if changed % SECOND_NS else UNSETTLED_COARSE_NS
    return (status.st_mtime_ns, changed) if changed + unsettled < time.time_ns() else None


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to list. `way` has the device and inode numbers of its ancestors, to detect links back to them."""

    path: Path
    prefix: str
    way: tuple[tuple[int, int], ...]


class FolderWalk:
    """An iterative walk through the folders, within the limits.

    `on_entry` is called with the number of files and folders seen so far; what it raises ends the walk.
    """

    def __init__(
        self,
        top: Path,
        roots: Sequence[Path],
        limits: ListingLimits,
        *,
        with_hidden: bool,
        with_frames: bool = False,
        on_entry: Callable[[int], None],
    ) -> None:
        self.left_out = LeftOutTally()
        self._on_entry = on_entry
        self._with_hidden = with_hidden
        self._with_frames = with_frames
        self._top = top
        self._prefix = os.path.join(top, "")  # noqa: PTH118 - with the slash at its end
        self._roots = roots
        self._limits = limits
        self._entries = 0
        self._names: Counter[tuple[int, int]] = Counter()
        self._linked: dict[str, Path] = {}  # real paths of folders that are links, by their prefix
        self._until = time.monotonic() + limits.seconds

    def images(self) -> Iterator[str]:
        """Yield the relative names of image files and of links to them, in no particular order."""
        waiting = [_Folder(self._top, "", ())]
        while waiting:
            folder = waiting.pop()
            try:
                yield from self._images_of(folder, waiting)
            except OSError as error:
                raise DirectoryUnreadable(
                    f"the server cannot read {folder.path} ({error.strerror or error}); give its user access, "
                    "and do not change the folder while it is listed"
                ) from error

    def measured(self, name: str) -> FoundImage:
        self._check_time()
        path = self.path_of(name)
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                path = os.path.realpath(path)
                status = os.stat(path)  # noqa: PTH116 - like the line above
        except OSError:  # a broken link, or removed meanwhile: reading it will raise the error
            return FoundImage(name, path, 0)
        return FoundImage(name, path, status.st_size, times=settled_times(status))

    def path_of(self, name: str) -> str:
        """Return the path of a file that was found; only the file itself may still be a link."""
        if self._linked:
            above = name.rpartition("/")[0]
            while above:
                if f"{above}/" in self._linked:
                    return str(self._linked[f"{above}/"] / name[len(above) + 1 :])
                above = above.rpartition("/")[0]
        return self._prefix + name

    def _images_of(self, folder: _Folder, waiting: list[_Folder]) -> Iterator[str]:
        descriptor = open_folder(folder.path)
        try:
            way = self._entered(folder, os.fstat(descriptor))
            if way is None:
                return
            if folder.prefix and is_state(descriptor):
                self.left_out.add("state", folder.prefix)
                return
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    self._count()
                    is_folder = is_directory(entry)
                    reason = self._reason(entry, is_folder=is_folder)
                    if reason is not None:
                        self.left_out.add(reason, f"{folder.prefix}{entry.name}{'/' if is_folder else ''}")
                    elif is_folder:
                        inner = self._inside(entry, folder)
                        prefix = f"{folder.prefix}{entry.name}/"
                        if entry.is_symlink():
                            self._linked[prefix] = inner
                        if not is_of_system(inner):
                            waiting.append(_Folder(inner, prefix, way))
                    else:
                        if entry.is_symlink():
                            self._inside(entry, folder)
                        yield folder.prefix + entry.name
        finally:
            os.close(descriptor)

    def _reason(self, entry: os.DirEntry[str], *, is_folder: bool) -> Reason | None:
        options = {"with_hidden": self._with_hidden, "with_frames": self._with_frames}
        reason = reason_of(entry.name, is_folder=is_folder, **options)
        if reason is None and not is_folder and not is_file_or_broken(entry):
            return "other"  # a pipe or a device
        return reason

    def _entered(self, folder: _Folder, status: os.stat_result) -> tuple[tuple[int, int], ...] | None:
        """Return `way` with this folder appended; None if a link leads back to a folder on it."""
        key = (status.st_dev, status.st_ino)
        if key in folder.way:
            return None
        if len(folder.way) > self._limits.depth:
            raise DirectoryTooLarge(
                f"{folder.prefix[:200]!r} is more than {self._limits.depth} folders deep; "
                "name a folder further down, or raise SAMFLEET_MAX_LISTING_DEPTH"
            )
        self._names[key] += 1
        if self._names[key] > NAMES_OF_A_FOLDER:
            raise DirectoryLinksRepeat(
                f"symbolic links lead to {folder.path} under more than {NAMES_OF_A_FOLDER} names, the last being "
                f"{folder.prefix[:200]!r}; remove links, or name the folder itself"
            )
        return (*folder.way, key)

    def _inside(self, entry: os.DirEntry[str], folder: _Folder) -> Path:
        """Return the real path of the entry. Raises `DirectoryNotAllowed` if it is outside the roots."""
        path = folder.path / entry.name
        if not entry.is_symlink():
            return path
        real = real_path(path)
        if any(real.is_relative_to(root) for root in self._roots) and not is_of_system(real):
            return real
        raise DirectoryNotAllowed(
            f"{folder.prefix + entry.name!r} is a symbolic link that leaves the allowed folders; copy what it points "
            "to, or allow that folder with SAMFLEET_DATASET_ROOTS"
        )

    def _count(self) -> None:
        self._entries += 1
        if self._entries > self._limits.entries:
            raise DirectoryTooLarge(
                f"{self._top} has more than {self._limits.entries} files and folders; name a smaller folder, or raise "
                "SAMFLEET_MAX_LISTING_ENTRIES"
            )
        if self._entries % ENTRIES_BETWEEN_CLOCKS == 1:
            self._check_time()
        self._on_entry(self._entries)

    def _check_time(self) -> None:
        if time.monotonic() > self._until:
            raise DirectoryTooLarge(
                f"{self._top} takes longer than {self._limits.seconds:g} s to list; name a smaller folder, or raise "
                "SAMFLEET_LISTING_TIME"
            )
