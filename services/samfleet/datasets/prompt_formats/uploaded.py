"""Labels of other tools as one file, a zip file of the folders of YOLO and Pascal VOC, or as a folder of the server.

They are converted by the code of `samfleet prompts convert`, within limits, because the sender is not trusted.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Literal, cast

from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.archives.errors import ArchiveDuplicate, ArchiveInvalid, ArchiveTooLarge
from samfleet.datasets.archives.members import Meter, read_members
from samfleet.datasets.prompt_formats.convert import convert, count_labels
from samfleet.datasets.prompt_formats.foreign import LabelsOfNoImage, LabelsUnreadable, is_of_labels
from samfleet.datasets.prompt_formats.server_folder import MOST_FILES, ServerFolder
from samfleet.datasets.prompt_lines import PromptsInvalid, PromptsTooLarge

Labels = IO[bytes] | ServerFolder
LabelFormat = Literal["yolo", "voc", "csv", "fiftyone", "label_studio", "coco"]

MOST_CSV_BYTES = 64 * 2**20  # the boxes of an image may stand anywhere, so the whole file is held in memory
MOST_CSV_LINES = 250_000
IN_ZIP: Mapping[str, tuple[str, ...]] = {"yolo": (".txt", ".yaml", ".names"), "voc": (".xml",)}
_NAMES: Mapping[str, str] = {
    "csv": "labels.csv",
    "fiftyone": "samples.json",
    "label_studio": "labels.json",
    "coco": "instances.json",
}
_CHUNK_BYTES = 2**20
_OF_A_PLACE = (LabelsUnreadable, LabelsOfNoImage, PromptsInvalid, PromptsTooLarge)


def count_uploaded(content: Labels, form: LabelFormat, limits: AnnotationLimits, most_bytes: int) -> int:
    """Validate labels and return the number of their prompts. Files of a zip file have at most `most_bytes` in all.

    Raises `LabelsUnreadable`, `PromptsInvalid`, `PromptsTooLarge` or the errors of archives.
    """
    with _on_disk(content, form, limits, most_bytes) as path:
        return count_labels(form, path, limits)


@contextmanager
def converted(
    content: Labels,
    form: LabelFormat,
    images: Sequence[str],
    limits: AnnotationLimits,
    most_bytes: int,
    *,
    limited: bool = False,
) -> Iterator[IO[bytes]]:
    """Yield the prompts file of labels for the images of these names; raises like `convert` too."""
    with TemporaryFile() as lines:
        with _on_disk(content, form, limits, most_bytes) as path:
            convert(form, path, images, lambda line: lines.write(line.encode()), limited=limited)
        lines.seek(0)
        yield cast("IO[bytes]", lines)


@contextmanager
def _on_disk(content: Labels, form: LabelFormat, limits: AnnotationLimits, most_bytes: int) -> Iterator[Path]:
    """Yield the file, or the folder of the labels, for the block; its errors name no folder of ours.

    Names of YOLO's classes are looked for up to two folders above the labels, so there are two of ours.
    """
    with TemporaryDirectory(prefix="samfleet-labels-") as outer:
        folder = Path(outer) / "labels" / "labels"
        folder.mkdir(parents=True)
        place = "the zip file"
        try:
            if isinstance(content, ServerFolder):
                place = str(content.path)
                content.copy_to(folder, IN_ZIP[form], limits, most_bytes)
                yield folder
            elif form in IN_ZIP:
                with _seekable(content) as file:
                    _unpack(file, folder, IN_ZIP[form], limits, most_bytes)
                yield _top(folder)
            else:
                yield _copied(content, folder / _NAMES[form], is_csv=form == "csv")
        except _OF_A_PLACE as error:
            raise type(error)(error.message.replace(f"{folder}/", "").replace(str(folder), place)) from error


@contextmanager
def _seekable(content: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield the file, or a copy of a stream, such as an object of a store: the index of a zip file is at its end."""
    if content.seekable():
        yield content
        return
    with TemporaryFile() as copy:
        shutil.copyfileobj(content, copy, _CHUNK_BYTES)
        copy.seek(0)
        yield cast("IO[bytes]", copy)


def _copied(content: IO[bytes], path: Path, *, is_csv: bool) -> Path:
    lines = size = 0
    with path.open("wb") as file:
        while chunk := content.read(_CHUNK_BYTES):
            file.write(chunk)
            size, lines = size + len(chunk), lines + chunk.count(b"\n")
            if is_csv and (size > MOST_CSV_BYTES or lines > MOST_CSV_LINES):
                raise PromptsTooLarge(
                    f"the CSV file has more than {MOST_CSV_LINES} lines or {MOST_CSV_BYTES} bytes; convert it with "
                    "'samfleet prompts convert', and upload the prompts file"
                )
    return path


def _unpack(
    content: IO[bytes], folder: Path, suffixes: tuple[str, ...], limits: AnnotationLimits, most_bytes: int
) -> None:
    """Write the files with these suffixes to the folder; others, such as the images, are not unpacked."""
    files = 0
    try:
        for member in read_members(content, "zip", Meter(most_bytes)):
            if not is_of_labels(member.name, suffixes):
                continue
            files += 1
            if files > MOST_FILES:
                raise PromptsTooLarge(f"the zip file has more than {MOST_FILES} files of labels; make several datasets")
            with member.open() as source:
                data = source.read(limits.segmentation_bytes + 1)
            if len(data) > limits.segmentation_bytes:
                raise PromptsTooLarge(
                    f"{member.name} has more than {limits.segmentation_bytes} bytes; split its labels"
                )
            _write(folder, member.name, data)
    except ArchiveTooLarge as error:
        raise PromptsTooLarge(f"the labels are too large: {error.message}") from error


def _write(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    try:
        if path.is_file():
            raise ArchiveDuplicate(f"the zip file has {name[:200]!r} twice; names must be unique")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise ArchiveInvalid(f"the zip file has {name[:200]!r}, which cannot be unpacked ({error.strerror})") from error


def _top(folder: Path) -> Path:
    """Return the first folder that has more than one folder in it, because tools pack a folder around everything."""
    while len(entries := list(folder.iterdir())) == 1 and entries[0].is_dir():
        folder = entries[0]
    return folder
