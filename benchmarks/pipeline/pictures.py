"""Many small pictures, as links to a few files."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

LINKS = 10_000  # to one file; a file has at most 65,000


def write_pictures(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """Write `count` JPEG files of (width, height) and return their paths."""
    folder.mkdir()
    paths = [folder / f"{number:07}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        first = paths[number - number % LINKS]
        if path == first:
            Image.linear_gradient("L").resize(size).convert("RGB").save(path)
        else:
            os.link(first, path)
    return paths
