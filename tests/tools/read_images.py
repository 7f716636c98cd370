"""Writes and reads HEIC and JPEG XL by their plugins; prints what `read_image`, `upright_size` and `open_stills` make
of the files.

`make test-tools` runs it in the environment of the tools, which has the plugins: they contain code under the GPL, so
the product does not install them by itself.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401 - registers itself
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("services", "triton_models", "tests")]

from fixtures.images.corpus.entry import exif_of  # noqa: E402
from fixtures.images.encoded_images import encoded, gradient  # noqa: E402
from samfleet.datasets.frames.limits import FrameLimits  # noqa: E402
from samfleet.datasets.frames.stills import open_stills  # noqa: E402
from samfleet.image_errors import ImageFailed  # noqa: E402
from samfleet.masks.image_file import upright_size  # noqa: E402
from samfleet_models.images.decode import read_image  # noqa: E402

MAX_PIXELS = 100_000
pillow_heif.register_heif_opener()


def files() -> Iterator[tuple[str, bytes]]:
    picture = gradient()
    yield "plain.heic", encoded(picture, "HEIF", quality=100)
    yield "alpha.heic", encoded(picture.convert("RGBA"), "HEIF", quality=100)
    yield "grey.heic", encoded(picture.convert("L"), "HEIF", quality=100)
    yield "several.heic", encoded(picture, "HEIF", quality=100, save_all=True, append_images=[picture.rotate(180)])
    for orientation in range(1, 9):
        turned = {"exif": exif_of(orientation).tobytes()}
        yield f"orientation-{orientation}.heic", encoded(picture, "HEIF", quality=100, **turned)
        yield f"packed-{orientation}.jxl", packed(encoded(picture, "JPEG", quality=100, subsampling=0, **turned))
        yield f"exif-{orientation}.jxl", encoded(picture, "JXL", lossless=True, use_container=True, **turned)
    for name, options in {"bare": {}, "boxes": {"use_container": True}}.items():
        yield f"{name}.jxl", encoded(picture, "JXL", lossless=True, **options)
    yield "deep.jxl", encoded(Image.fromarray(np.full((30, 40), 51_400, np.uint16)), "JXL", lossless=True)
    for name, data in list(damaged(picture)):
        yield name, data


def damaged(picture: Image.Image) -> Iterator[tuple[str, bytes]]:
    heic, jxl = encoded(picture, "HEIF"), encoded(picture, "JXL", use_container=True)
    for percent in (10, 50, 99):
        yield f"cut-at-{percent}.heic", heic[: len(heic) * percent // 100]
        yield f"cut-at-{percent}.jxl", jxl[: len(jxl) * percent // 100]
    bare = encoded(picture, "JXL")
    yield "cut-bare.jxl", bare[: len(bare) // 2]
    yield "cut-header.jxl", bare[:4]
    yield "noise.jxl", bare[:12] + bytes(range(255)) * 4
    yield "huge.jxl", encoded(Image.new("L", (1000, 101)), "JXL")
    yield "huge.heic", encoded(Image.new("L", (1000, 101)), "HEIF")


def packed(jpeg: bytes) -> bytes:
    """Return a JPEG XL that holds the JPEG without loss."""
    path = Path(sys.argv[1]) / "packed.jpg"
    path.write_bytes(jpeg)
    with Image.open(path) as image:
        return encoded(image, "JXL", lossless_jpeg=True)


def outcome(part: Callable[[bytes, int], Any], data: bytes) -> Any:
    try:
        return part(data, MAX_PIXELS)
    except ImageFailed as error:
        return error.code


def pixels(data: bytes, max_pixels: int) -> list[Any]:
    """Return the shape and the colours of the corners, clockwise from the upper left."""
    rgb = read_image(data, max_pixels)
    corners = [rgb[0, 0], rgb[0, -1], rgb[-1, -1], rgb[-1, 0]]
    return [list(rgb.shape), [corner.tolist() for corner in corners]]


def frames(data: bytes, max_pixels: int) -> list[Any]:
    """Return the corners of each image that a dataset with all frames has."""
    opened = open_stills(io.BytesIO(data), FrameLimits(max_pixels))
    return [pixels(opened.read(index), max_pixels) for index in opened.indices()]


if __name__ == "__main__":
    found = {name: [outcome(part, data) for part in (pixels, upright_size, frames)] for name, data in files()}
    json.dump(found, io.TextIOWrapper(sys.stdout.buffer))
