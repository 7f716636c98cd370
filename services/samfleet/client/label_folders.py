"""Folders of labels of other tools as one file, for an upload."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO

from samfleet.datasets.folder_entries import is_utf8
from samfleet.errors import InvalidInput

OF_FOLDERS = ("yolo", "voc", "fiftyone")
SUFFIXES = (".txt", ".yaml", ".names", ".xml")
ABOVE = (
    "data.yaml",
    "classes.txt",
    "obj.names",
)  # YOLO's names of classes, which may lie beside the folder of the labels


class PromptsNotSupported(InvalidInput):
    """The prompts cannot be given with these images; the message says what can."""

    code = "prompts_not_supported"


def require_form(path: Path, form: str | None) -> None:
    """Raise `PromptsNotSupported` for a folder that cannot have this format."""
    if path.is_dir() and form not in OF_FOLDERS:
        raise PromptsNotSupported(
            f"prompts: {path} is a folder; state the format of its labels, {', '.join(OF_FOLDERS)}, or name a file"
        )


def pack_labels(folder: Path, file: IO[bytes]) -> None:
    """Write a zip file of the files of labels below the folder, without images.

    Names of classes come along from the folder itself, or from one of the two folders above it.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as packed:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                if not is_utf8(str(path)):
                    raise PromptsNotSupported(f"prompts: the name of {path!r} is not UTF-8; rename the file")
                packed.write(path, f"labels/{path.relative_to(folder).as_posix()}")
        if not any((folder / name).is_file() for name in ABOVE):
            above = (place / name for place in folder.resolve().parents[:2] for name in ABOVE)
            found = next((path for path in above if path.is_file()), None)
            if found is not None:
                packed.write(found, found.name)
