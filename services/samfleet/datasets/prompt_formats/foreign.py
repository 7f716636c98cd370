"""Labels of one image as another tool wrote them, and the errors of reading them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samfleet.datasets.left_out import reason_of
from samfleet.datasets.prompt_lines import Coordinates
from samfleet.errors import InvalidInput


class LabelsUnreadable(InvalidInput):
    """The file of labels does not have the format that was named."""

    code = "labels_unreadable"


class LabelsOfNoImage(InvalidInput):
    """Labels belong to an image that is not among the images."""

    code = "labels_of_no_image"


@dataclass(frozen=True, slots=True)
class ForeignImage:
    """Labels of one image.

    `where` names their place for messages, `name` is the image's name in the words of the tool, with `by_stem` without
    its suffix. `objects` have the form of a line of a prompts file. `skipped` has the kind of each label that is
    neither a box nor a point.
    """

    where: str
    name: str
    objects: list[dict[str, Any]]
    coordinates: Coordinates = "pixels"
    by_stem: bool = False
    skipped: list[str] = field(default_factory=list)


Reader = Callable[[Path], Iterator[ForeignImage]]


def numbers_of(where: str, texts: list[Any]) -> list[float]:
    """Return the numbers; raises `LabelsUnreadable` for a text that is none."""
    try:
        return [float(text) for text in texts]
    except (OverflowError, TypeError, ValueError) as error:
        shown = ", ".join(repr(text)[:40] for text in texts[:8])
        raise LabelsUnreadable(f"{where}: {shown} are not numbers") from error


def is_of_labels(name: str, suffixes: tuple[str, ...]) -> bool:
    """Return whether a file's path ends in one of the suffixes and none of its parts is hidden or of the system.

    macOS puts a `__MACOSX/._name` beside each file of a zip file.
    """
    parts = name.split("/")
    reasons = (reason_of(part, is_folder=True, with_hidden=False) for part in parts)
    return parts[-1].lower().endswith(suffixes) and not any(reasons)


def files_of(path: Path, suffix: str) -> list[Path]:
    """Return the files with this suffix below a folder, sorted, or the one file itself."""
    if path.is_file():
        return [path]
    found = sorted(one for one in path.rglob("*") if is_of_labels(one.relative_to(path).as_posix(), (suffix,)))
    if not found:
        raise LabelsUnreadable(f"{path} has no {suffix} files; name the folder of the labels")
    return found
