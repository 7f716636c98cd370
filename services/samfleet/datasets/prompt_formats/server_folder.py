"""Folders of labels on this machine: copied like a zip file's files, within the same limits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from samfleet.datasets.allowed_paths import DirectoryNotAllowed, resolve_allowed
from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.folder_entries import is_utf8
from samfleet.datasets.prompt_formats.foreign import LabelsUnreadable, is_of_labels
from samfleet.datasets.prompt_formats.yolo import NAMES
from samfleet.datasets.prompt_lines import PromptsTooLarge
from samfleet.datasets.prompts import PromptsNotFound
from samfleet.datasets.server_files import open_on_server

MOST_FILES = 200_000  # of labels; COCO's training set has 118,000 images
MOST_ENTRIES = 2_000_000  # of the folder, where the images may be too


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """A folder of labels below the allowed `roots`. Links that lead elsewhere are not followed."""

    path: Path
    roots: Sequence[Path]

    def copy_to(self, folder: Path, suffixes: tuple[str, ...], limits: AnnotationLimits, most_bytes: int) -> None:
        """Copy the files with these suffixes, and YOLO's names of classes that lie up to two folders above them.

        Raises `PromptsNotFound`, `PromptsTooLarge`, `LabelsUnreadable` and `DirectoryNotAllowed`.
        """
        left = most_bytes
        for number, path in enumerate(self._files(suffixes), start=1):
            name = os.path.relpath(path, self.path)
            if not is_utf8(name):
                raise LabelsUnreadable(f"the folder has {name!r}, whose name is not UTF-8; rename the file")
            left -= self._copy(path, folder / name, limits.segmentation_bytes)
            if number > MOST_FILES or left < 0:
                raise PromptsTooLarge(
                    f"{self.path} has more than {MOST_FILES} files of labels, or {most_bytes} bytes of them; make "
                    "several datasets"
                )
        if ".yaml" in suffixes and not any((folder / name).is_file() for name in NAMES):
            above = self._names_above()
            if above is not None:
                self._copy(str(above), folder.parent / above.name, limits.segmentation_bytes)

    def _files(self, suffixes: tuple[str, ...]) -> Iterator[str]:
        entries = 0
        for folder, folders, files in os.walk(self.path, onerror=partial(_unreadable, self.path)):
            folders.sort()
            entries += len(folders) + len(files)
            if entries > MOST_ENTRIES:
                raise PromptsTooLarge(
                    f"{self.path} has more than {MOST_ENTRIES} entries; name the folder of the labels"
                )
            paths = (os.path.join(folder, name) for name in sorted(files))  # noqa: PTH118 - names may be of any form
            yield from (path for path in paths if is_of_labels(os.path.relpath(path, self.path), suffixes))

    def _copy(self, path: str, target: Path, most: int) -> int:
        with open_on_server(path, self.roots, most, PromptsNotFound, PromptsTooLarge) as source:
            data = source.read()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return len(data)

    def _names_above(self) -> Path | None:
        for path in (above / name for above in self.path.parents[:2] for name in NAMES):
            try:
                if resolve_allowed(str(path), self.roots).is_file():
                    return path
            except DirectoryNotAllowed:
                continue
        return None


def _unreadable(folder: Path, error: OSError) -> None:
    raise PromptsNotFound(f"{folder} cannot be read on the server ({error.strerror}); check the path") from error
