"""Entries that a listing leaves out, by reason: their number and a few names."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from samfleet.datasets.names import IMAGE_SUFFIXES, VIDEO_SUFFIXES, has_frames, storable_name

Reason = Literal["hidden", "system", "state", "format", "archive", "name", "other"]
MOST_EXAMPLES = 5
# Folders and files that operating systems and programs create, in lower case
SYSTEM_NAMES = frozenset(
    {
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "__macosx",
        "desktop.ini",
        "ehthumbs.db",
        "lost+found",
        "system volume information",
        "thumbs.db",
    }
)
OTHER_FORMATS = (".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".svg", ".psd", ".ico", ".tga", ".ppm")
CAMERA_FORMATS = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".raw")
SCIENCE_FORMATS = (".exr", ".hdr", ".dcm", ".nii", ".pgm", ".eps", ".pdf")
ARCHIVE_SUFFIXES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
UNREAD_SUFFIXES = OTHER_FORMATS + CAMERA_FORMATS + SCIENCE_FORMATS + VIDEO_SUFFIXES
WORDS = {
    "hidden": "hidden",
    "system": "of the system",
    "state": "state of samfleet",
    "format": "in other formats",
    "archive": "nested archives",
    "name": "with names that cannot be sent",
    "other": "without an image suffix",
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Entries left out for one reason; a folder counts as one entry.

    `examples` are the first names in sorted order; those of folders end in '/'.
    """

    reason: Reason
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        more = ", …" if self.count > len(self.examples) else ""
        return f"{self.count} {WORDS[self.reason]} ({', '.join(self.examples)}{more})"


@dataclass(slots=True)
class LeftOutTally:
    """Counter of entries left out; it keeps the first names in sorted order."""

    _counts: dict[Reason, int] = field(default_factory=dict)
    _examples: dict[Reason, list[str]] = field(default_factory=dict)

    def add(self, reason: Reason, name: str) -> None:
        self._counts[reason] = self._counts.get(reason, 0) + 1
        examples = self._examples.setdefault(reason, [])
        insort(examples, storable_name(name))
        del examples[MOST_EXAMPLES:]

    def all(self) -> tuple[LeftOut, ...]:
        """Return the counts in the order of `Reason`."""
        known = (reason for reason in get_args(Reason) if reason in self._counts)
        return tuple(LeftOut(reason, self._counts[reason], tuple(self._examples[reason])) for reason in known)


def reason_of(name: str, *, is_folder: bool, with_hidden: bool, with_frames: bool = False) -> Reason | None:
    """Return the reason to leave an entry out by its name, or None to keep it.

    With frames, files that are images only as frames are kept, such as GIFs.
    """
    if not with_hidden:
        if name.startswith("."):
            return "hidden"
        if name.lower() in SYSTEM_NAMES:
            return "system"
    if is_folder or name.lower().endswith(IMAGE_SUFFIXES) or (with_frames and has_frames(name)):
        return None
    return "format" if name.lower().endswith(UNREAD_SUFFIXES) else "other"


def describe(left_out: Sequence[LeftOut]) -> str:
    return ", ".join(map(str, left_out))
