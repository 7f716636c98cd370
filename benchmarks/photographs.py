"""The images of a benchmark: real photographs, and copies in the sizes of the memory measurements."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from PIL import Image

NAMES = ("coffee.png", "astronaut.png", "chelsea.png")
GATE_NAMES = (*NAMES, "rocket.jpg", "motorcycle_left.png", "ihc.png", "coins.png")  # a gate needs more images
VGA = (640, 480)
TWELVE_MEGAPIXELS = (4000, 3000)


class NoPhotographs(Exception):
    """There are no images to measure on; give image files with --images, or install scikit-image."""


def photographs(given: list[Path], names: tuple[str, ...] = NAMES) -> list[Path]:
    """Return the given files, else scikit-image's photographs of these names."""
    if given:
        missing = [str(path) for path in given if not path.is_file()]
        if missing:
            raise NoPhotographs(f"no such file: {', '.join(missing)}")
        return [path.resolve() for path in given]
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise NoPhotographs(NoPhotographs.__doc__)
    folder = Path(package.origin).parent / "data"
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        raise NoPhotographs(NoPhotographs.__doc__)
    return found


def resized(source: Path, size: tuple[int, int], folder: Path) -> Path:
    """Write a JPEG copy of exactly `size` (width, height) and return its path."""
    path = folder / f"{source.stem}_{size[0]}x{size[1]}.jpg"
    with Image.open(source) as image:
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(path, quality=95)
    return path
