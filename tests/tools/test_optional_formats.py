"""HEIC and JPEG XL, whose plugins `make test-tools` installs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fixtures.images.encoded_images import gradient
from samfleet.masks.image_file import TURNS

pytestmark = pytest.mark.tools

PYTHON = Path(sys.prefix) / "tools" / "bin" / "python"
READER = Path(__file__).with_name("read_images.py")
CODEC_ERROR = 12  # of 255, in a corner: HEIC is not lossless
PICTURE = [*(f"{name}.heic" for name in ("plain", "alpha", "several")), "bare.jxl", "boxes.jxl"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Return what the model and the worker make of each file."""
    done = subprocess.run(
        [PYTHON, READER, tmp_path_factory.mktemp("files")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def corners(image: Image.Image) -> list[Any]:
    """Return the shape and the colours of the corners, clockwise from the upper left."""
    rgb = np.asarray(image)
    return [list(rgb.shape), [rgb[at].tolist() for at in ((0, 0), (0, -1), (-1, -1), (-1, 0))]]


def is_like(read: list[Any], picture: Image.Image) -> bool:
    shape, colours = corners(picture)
    return bool(read[0] == shape and np.abs(np.subtract(read[1], colours)).max() <= CODEC_ERROR)


@pytest.mark.parametrize("name", PICTURE)
def test_the_first_picture_is_read_without_alpha(found: dict[str, list[Any]], name: str) -> None:
    pixels, size, _frames = found[name]
    assert is_like(pixels, gradient())
    assert size == [40, 30]


def test_grey_and_grey_of_16_bits_become_colours(found: dict[str, list[Any]]) -> None:
    assert is_like(found["grey.heic"][0], gradient().convert("L").convert("RGB"))
    assert found["deep.jxl"][:2] == [[[30, 40, 3], [[200] * 3] * 4], [40, 30]]


def test_frames_are_the_images_of_a_heic_and_the_picture_of_a_jpeg_xl(found: dict[str, list[Any]]) -> None:
    first, second = found["several.heic"][2]
    assert is_like(first, gradient())
    assert is_like(second, gradient().rotate(180))
    for name in ("plain.heic", "alpha.heic", "grey.heic", "bare.jxl", "boxes.jxl", "deep.jxl"):
        assert found[name][2] == [found[name][0]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["orientation-{}.heic", "packed-{}.jxl"])
def test_pictures_are_upright(found: dict[str, list[Any]], name: str, orientation: int) -> None:
    turn = TURNS.get(orientation)
    upright = gradient().transpose(turn) if turn is not None else gradient()
    pixels, size, frames = found[name.format(orientation)]
    assert is_like(pixels, upright)
    assert tuple(size) == upright.size
    assert frames == [pixels]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_xl_ignores_the_orientation_of_exif(found: dict[str, list[Any]], orientation: int) -> None:
    assert found[f"exif-{orientation}.jxl"] == found["bare.jxl"]


def test_damaged_files_have_their_codes(found: dict[str, list[Any]]) -> None:
    codes = {name: outcome[0] for name, outcome in found.items() if isinstance(outcome[0], str)}
    cut = {f"cut-at-{percent}.{suffix}": "image_truncated" for percent in (10, 50, 99) for suffix in ("heic", "jxl")}
    unreadable = dict.fromkeys(("cut-bare.jxl", "cut-header.jxl", "noise.jxl"), "image_unreadable")
    assert codes == {**cut, **unreadable, "huge.jxl": "image_too_large", "huge.heic": "image_too_large"}
    sized = {name: found[name][1] for name in codes.keys() - unreadable.keys()}
    assert sized == {name: codes[name] for name in sized}
    assert codes == {name: found[name][2] for name in codes}
