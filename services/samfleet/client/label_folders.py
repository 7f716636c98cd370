"""Folders of labels of other tools as one file, for an upload."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO

SUFFIXES = (".txt", ".yaml", ".names", ".xml")
ABOVE = (
    "data.yaml",
    "classes.txt",
    "obj.names",
)  # YOLO's names of classes, which may lie beside the folder of the labels


def pack_labels(folder: Path, file: IO[bytes]) -> None:
    """Write a zip file of the files of labels below the folder, without images.

    Names of classes come along from the folder itself, or from one of the two folders above it.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                packed.write(path, f"labels/{path.relative_to(folder).as_posix()}")
        if not any((folder / name).is_file() for name in ABOVE):
            above = (place / name for place in folder.resolve().parents[:2] for name in ABOVE)
            found = next((path for path in above if path.is_file()), None)
            if found is not None:
                packed.write(found, found.name)
