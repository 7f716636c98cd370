"""A folder of many tiny images, as hard links to a few files in subfolders of a thousand."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

IN_A_FOLDER = 1000
LINKS = 10_000  # to one file; a file system allows few more, ext4 65,000
SIZE = (32, 24)


def image_name(number: int) -> str:
    """Return the name of an image, relative to the folder."""
    return f"{number // IN_A_FOLDER:05}/{number:08}.jpg"


def write_folder(folder: Path, images: int) -> None:
    """Write `images` JPEG files of `SIZE` below `folder`, which must not exist."""
    folder.mkdir()
    first = folder / "first.jpg"
    for number in range(images):
        path = folder / image_name(number)
        if number % IN_A_FOLDER == 0:
            path.parent.mkdir()
        if number % LINKS == 0:
            Image.linear_gradient("L").resize(SIZE).convert("RGB").save(path)
            first = path
        else:
            os.link(first, path)
