"""The images of a distillation: found in a folder, identified by their bytes, split by the hash of their names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from samfleet.errors import InvalidInput
from samfleet.regular_files import open_regular
from samfleet_models.images.decode import SUFFIXES, read_image
from samfleet_models.images.transforms import Pixels


class DistillImagesMissing(InvalidInput):
    """The folder has too few images; at least one for training and one for validation are needed."""

    code = "distill_images_missing"


class DistillImageUnreadable(InvalidInput):
    """An image of the folder cannot be read; repair or remove it."""

    code = "distill_image_unreadable"


@dataclass(frozen=True, slots=True)
class TrainingImage:
    """One image file: `name` is its path below the folder with slashes, `sha256` the hash of its bytes."""

    path: Path
    name: str
    sha256: str

    def pixels(self) -> Pixels:
        """Return the upright pixels HWC uint8 RGB."""
        try:
            with open_regular(self.path) as file:
                return read_image(file.read())
        except (OSError, InvalidInput) as error:
            reason = error.message if isinstance(error, InvalidInput) else str(error)
            raise DistillImageUnreadable(f"{self.path}: {reason}; repair or remove the file") from error


@dataclass(frozen=True, slots=True)
class Split:
    training: tuple[TrainingImage, ...]
    validation: tuple[TrainingImage, ...]

    @property
    def digest(self) -> str:
        """Hash of all names and bytes and of their parts."""
        lines = [f"{part} {one.name} {one.sha256}" for part, one in self._parts()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _parts(self) -> list[tuple[str, TrainingImage]]:
        return [("t", one) for one in self.training] + [("v", one) for one in self.validation]


def find_images(folder: Path) -> list[TrainingImage]:
    """Return the images of a folder and its subfolders, ordered by name."""
    if not folder.is_dir():
        raise DistillImagesMissing(f"{folder} is not a folder; name one with photographs")
    paths = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted((_image(path, folder) for path in paths), key=lambda image: image.name)


def split_images(images: Sequence[TrainingImage], share: float) -> Split:
    """Hold out about `share` of the images. Adding an image never moves another one."""
    held = [place_of(image.name) < share for image in images]
    parts = [tuple(image for image, out in zip(images, held, strict=True) if out is part) for part in (False, True)]
    if not all(parts):
        raise DistillImagesMissing(
            f"the folder has {len(images)} images, of which {len(parts[0])} are for training and {len(parts[1])} for "
            "validation; add images, or change --validation"
        )
    return Split(*parts)


def place_of(name: str) -> float:
    """Return a number in [0, 1) that depends only on the name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def _image(path: Path, folder: Path) -> TrainingImage:
    try:
        with open_regular(path) as file:
            digest = hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise DistillImageUnreadable(f"{path}: {error}; repair or remove the file") from error
    return TrainingImage(path, path.relative_to(folder).as_posix(), digest)
