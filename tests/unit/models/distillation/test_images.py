from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.models.tiny_distillation import NAMES, tiny_images
from samfleet_models.distillation.images import (
    DistillImagesMissing,
    DistillImageUnreadable,
    find_images,
    place_of,
    split_images,
)


def test_the_split_depends_on_names_alone(tmp_path: Path) -> None:
    images = find_images(tiny_images(tmp_path))
    assert [image.name for image in images] == sorted(NAMES)
    split = split_images(images, 0.4)
    assert {image.name for image in split.validation} == {name for name in NAMES if place_of(name) < 0.4}
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "z.png").write_bytes((tmp_path / "a.png").read_bytes())
    larger = split_images(find_images(tmp_path), 0.4)
    assert set(split.validation) <= set(larger.validation)
    assert set(split.training) <= set(larger.training)
    assert split.digest != larger.digest


def test_a_split_without_one_of_its_parts_is_refused(tmp_path: Path) -> None:
    images = find_images(tiny_images(tmp_path))
    with pytest.raises(DistillImagesMissing, match="6 images, of which 6 are for training and 0 for validation"):
        split_images(images, 1e-9)
    with pytest.raises(DistillImagesMissing, match="the folder has 0 images"):
        split_images([], 0.5)
    with pytest.raises(DistillImagesMissing, match="is not a folder"):
        find_images(tmp_path / "nowhere")


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    (image,) = find_images(tmp_path)
    with pytest.raises(DistillImageUnreadable, match=r"bad\.png: .*; repair or remove the file"):
        image.pixels()
