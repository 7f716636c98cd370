from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scale.folder import IN_A_FOLDER, write_folder
from benchmarks.scale.manifest import FORMS, write_manifest
from samfleet.datasets.manifests.lines import format_of, read_lines

IMAGES = IN_A_FOLDER + 2


@pytest.mark.parametrize("form", FORMS)
def test_a_manifest_names_the_images_of_the_folder(form: str, tmp_path: Path) -> None:
    write_folder(tmp_path / "images", IMAGES)
    path = tmp_path / f"list.{form}"
    write_manifest(path, form, IMAGES)
    with path.open("rb") as file:
        lines = list(read_lines(file, format_of(path.name)))
    assert len({line.image for line in lines}) == len({line.id for line in lines}) == IMAGES
    assert all((tmp_path / line.image).is_file() for line in lines)
    assert lines[8].metadata == {"camera": "camera 1", "taken": "2026-03-01T12:08:00Z"}
