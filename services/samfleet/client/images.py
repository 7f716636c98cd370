"""Images that a caller gives to the client: a folder, files, arrays, pictures, a bucket, a manifest, an archive, or
a dataset's id.
"""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from samfleet.client.local_source import Source
from samfleet.client.schemas import Dataset
from samfleet.client.server_sources import ArchiveSource, BucketSource, ManifestSource, ServerSource, server_source
from samfleet.client.uploads import NamedImage
from samfleet.datasets.names import check_upload_name
from samfleet.errors import InvalidInput
from samfleet.regular_files import open_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Picture: TypeAlias = "str | os.PathLike[str] | bytes | NDArray[np.uint8] | Image"
    Images: TypeAlias = "Picture | Dataset | Iterable[Picture]"

_ID = re.compile(r"[0-9a-fA-F]{6}[0-9a-fA-F-]{0,30}")  # as the API accepts ids
_KINDS = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG", ".png"), (b"BM", ".bmp"), (b"II*\0", ".tif"), (b"MM\0*", ".tif"))
_PLAIN_MODES = {"1", "L", "LA", "P", "RGB", "RGBA"}  # kept by PNG and read by every variant
_COLOUR_MODES = {"CMYK", "HSV", "LAB", "YCbCr"}


class ImagesInvalid(InvalidInput):
    """The images cannot be sent; the message says which one and why."""

    code = "images_invalid"


@dataclass(frozen=True, slots=True)
class ExistingDataset:
    """A dataset of the server, which the client neither makes nor deletes."""

    id: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """Images to upload one by one. `count` is None for an iterator, whose images are never all in memory."""

    images: Iterable[Any]
    count: int | None
    frames: Mapping[str, Any] = field(default_factory=dict)  # fields of a request that choose frames

    def named(self) -> Iterator[NamedImage]:
        """Yield the images with their names in the dataset: paths below their common folder if all are files, else
        the position with six digits.
        """
        names = _names_of_files(self.images) if isinstance(self.images, Sequence) else None
        for position, image in enumerate(self.images):
            yield _named(image, position, names[position] if names else None)


def source_of(images: Images) -> ExistingDataset | ServerSource | Source | Pictures:
    """Return what to make a dataset of. Raises `ImagesInvalid` before anything is sent, if that can be seen yet."""
    if isinstance(images, Dataset):
        return ExistingDataset(images.id)
    if isinstance(images, str | os.PathLike):
        if (source := server_source(os.fspath(images))) is not None:
            return source
        path = Path(images)
        if path.exists():
            return Source(path)
        if isinstance(images, str) and _ID.fullmatch(images):
            return ExistingDataset(images)
        raise ImagesInvalid(f"there is no file or folder {path}, and it is not the id of a dataset")
    if isinstance(images, Iterator):
        return Pictures(images, None)
    given: list[Any] = [images] if _is_one(images) else list(cast("Iterable[Any]", images))
    if not given:
        raise ImagesInvalid("there are no images")
    _names_of_files(given)
    for position, image in enumerate(given):
        _check(image, position)
    return Pictures(given, len(given))


def with_frames(
    source: ExistingDataset | ServerSource | Source | Pictures, frames: Mapping[str, Any]
) -> ExistingDataset | ServerSource | Source | Pictures:
    """Return the source with a choice of frames (`choice_of`). Raises `ImagesInvalid` if the dataset exists."""
    if not frames:
        return source
    if isinstance(source, ExistingDataset):
        raise ImagesInvalid(f"dataset {source.id} has the frames that it was made with; make another one")
    if isinstance(source, BucketSource):
        return replace(source, fields={**source.fields, **frames})
    if isinstance(source, ManifestSource | ArchiveSource):
        return replace(source, described={**source.described, **frames})
    return replace(source, frames=frames)


def picture_file(image: Picture) -> tuple[str, bytes]:
    """Return the name and the bytes of one image as a file. Raises `ImagesInvalid`.

    Bytes stay as they are: the server reads more formats than their first bytes tell here.
    """
    if isinstance(image, bytes):
        return "image", image
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        if not path.is_file():
            raise ImagesInvalid(f"there is no file {image}")
        with open_regular(path) as file:
            return path.name, file.read()
    _check(image, 0)
    return "image.png", _png(image, 0)


def _names_of_files(images: Sequence[Any]) -> list[str] | None:
    """Return names relative to the common folder; None unless all images are files."""
    if not all(isinstance(image, str | os.PathLike) for image in images):
        return None
    paths = [Path(os.path.abspath(image)) for image in images]  # noqa: PTH100 - a link keeps its name
    common = Path(os.path.commonpath([path.parent for path in paths]))
    names = [path.relative_to(common).as_posix() for path in paths]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ImagesInvalid(f"{twice[0]} is given more than once")
    return names


def _check(image: Any, position: int) -> None:
    """Reject what cannot be an image, without reading or encoding it."""
    if isinstance(image, str | os.PathLike):
        _check_file(os.fspath(image))
    elif isinstance(image, bytes):
        _suffix_of(image, position)
    elif hasattr(image, "dtype"):
        _check_array(image, position)
    elif not hasattr(image, "save"):
        raise ImagesInvalid(
            f"image {position} is of type {type(image).__name__}; give a path, bytes, an array or a Pillow image"
        )


def _check_file(path: str) -> None:
    if path.startswith("s3://"):
        raise ImagesInvalid(f"{path} stands in a list; give one s3:// address alone, such as s3://bucket/folder")
    if Path(path).is_dir():
        raise ImagesInvalid(f"{path} is a folder and stands in a list; give the folder alone")
    if not Path(path).is_file():
        raise ImagesInvalid(f"there is no file {path}")


def _check_array(array: NDArray[Any], position: int) -> None:
    if str(array.dtype) != "uint8":
        raise ImagesInvalid(f"image {position} is an array of {array.dtype}; convert it to uint8 with values 0 to 255")
    if array.ndim not in {2, 3} or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in {1, 3, 4}):  # noqa: PLR2004 - HW or HWC
        raise ImagesInvalid(
            f"image {position} is an array of shape {array.shape}; "
            "it must be [height, width] or [height, width, channels], with 1, 3 (RGB) or 4 (RGBA) channels"
        )


def _suffix_of(data: bytes, position: int) -> str:
    for start, suffix in _KINDS:
        if data.startswith(start):
            return suffix
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    raise ImagesInvalid(f"the bytes of image {position} are no JPEG, PNG, WebP, BMP or TIFF file")


def _named(image: Any, position: int, name: str | None) -> NamedImage:
    _check(image, position)
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        return NamedImage(_sendable(name or f"{position:06}-{path.name}"), path, path.stat().st_size)
    if isinstance(image, bytes):
        data, suffix = image, _suffix_of(image, position)
    else:
        data, suffix = _png(image, position), ".png"
    return NamedImage(f"{position:06}{suffix}", data, len(data))


def _sendable(name: str) -> str:
    if '"' in name:  # which multipart forms encode as %22
        raise ImagesInvalid(f"file name {name!r} contains a double quote, which an upload cannot send; rename the file")
    return check_upload_name(name)


def _png(image: Any, position: int) -> bytes:
    """Encode an array or a Pillow image without loss. The pixels stay as the caller sees them: a Pillow image that has
    an orientation is not turned.
    """
    from PIL import Image

    if hasattr(image, "dtype"):
        image = Image.fromarray(image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image)  # noqa: PLR2004 - HWC
    if image.mode in _COLOUR_MODES:
        image = image.convert("RGB")
    if image.mode not in _PLAIN_MODES:
        raise ImagesInvalid(f"image {position} has the mode {image.mode}; convert it to L or RGB, with values 0 to 255")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", exif=b"", compress_level=1)
    return buffer.getvalue()


def _is_one(images: Any) -> bool:
    """Return whether this is one image: bytes, an array of at most three dimensions, or what cannot be iterated."""
    stack = 4  # dimensions of several images
    return isinstance(images, bytes) or not isinstance(images, Iterable) or getattr(images, "ndim", stack) < stack
