"""Unusual inputs of users through every real part, with real MobileSAM: right masks, or an error with the reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fixtures.images.scenes import SIZE, scene, write_annotations, write_scenes
from fixtures.models.shared_data import shared_path
from fixtures.servers.running_stack import Samfleet

TURNED_BACK = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_centre_points_do_not_depend_on_format_and_orientation(samfleet: Samfleet, tmp_path: Path) -> None:
    """One disc of the scene lies beyond the shorter side."""
    (tmp_path / "images").mkdir()
    files = [tmp_path / "images" / "plain.png"]
    scene().save(files[0])
    for orientation, turn in TURNED_BACK.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        files += [tmp_path / "images" / f"turned_{orientation}.{suffix}" for suffix in ("png", "tif")]
        for file in files[-2:]:
            scene().transpose(turn).save(file, exif=exif)
    annotations = write_annotations(tmp_path / "instances.json", [files[0]] * len(files))
    document = read(annotations)
    for image, file in zip(document["images"], files, strict=True):
        image["file_name"] = file.name
    for annotation in document["annotations"]:  # all show the same scene, which `write_annotations` shifts
        annotation["segmentation"] = document["annotations"][(annotation["id"] - 1) % 2]["segmentation"]
        annotation["bbox"] = document["annotations"][(annotation["id"] - 1) % 2]["bbox"]
    annotations.write_text(json.dumps(document))
    finished = samfleet(
        "segment", tmp_path / "images", "--annotations", annotations, "--variant", "mobile_sam", "--task",
        "center_point", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert finished.exit_code == 0, finished.stderr
    (run,) = finished.json()["runs"]
    assert run["quality"]["instances"] == 2 * len(files)
    assert run["quality"]["miou"] > 0.9


def test_annotations_of_reduced_images_are_reported(samfleet: Samfleet, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "images", 1)
    annotations = write_annotations(tmp_path / "instances.json", scenes)
    scene().resize((SIZE[0] // 2, SIZE[1] // 2)).save(scenes[0])
    segment = ("segment", scenes[0].parent, "--annotations", annotations, "--variant", "mobile_sam", "--json")
    prompted = samfleet(*segment, "--task", "box", "--out", tmp_path / "boxes")
    assert prompted.exit_code == 3
    (error,) = prompted.json()["errors"]
    assert error["code"] == "annotation_size_mismatch"
    assert "state 320 x 240" in error["message"]
    assert "the image has 160 x 120" in error["message"]
    asked = samfleet(*segment, "--points-per-side", 1, "--out", tmp_path / "points")
    assert asked.exit_code == 0, asked.stderr
    (run,) = asked.json()["runs"]
    assert run["quality_error"]["code"] == "annotation_size_mismatch"
    assert "evaluation" not in run


@pytest.mark.parametrize("upload", [(), ("--upload",)])
def test_hidden_files_are_left_out_and_windows_paths_are_matched(
    samfleet: Samfleet, tmp_path: Path, upload: tuple[str, ...]
) -> None:
    scenes = write_scenes(tmp_path / "images", 2)
    annotations = write_annotations(tmp_path / "instances.json", scenes)
    document = read(annotations)
    document["images"][1]["file_name"] = "C:\\photos\\scene_01.png"
    annotations.write_text(json.dumps(document))
    (tmp_path / "images" / ".thumbnails").mkdir()
    shutil.copy(scenes[0], tmp_path / "images" / ".thumbnails" / "t.png")
    (tmp_path / "images" / "c.heic").touch()
    finished = samfleet(
        "segment", tmp_path / "images", "--annotations", annotations, "--variant", "mobile_sam", "--task", "box",
        "--strict-annotations", *upload, "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert finished.exit_code == 0, finished.stderr
    assert "left out: 1 hidden (.thumbnails/), 1 in other formats (c.heic)" in finished.stderr
    assert "annotations: 2 of 2 images annotated, 0 of 4 annotations unused" in finished.stderr
    assert finished.json()["counts"]["total"] == 2
    assert finished.json()["runs"][0]["quality"]["instances"] == 4


def test_recorded_cases_have_their_recorded_figures(samfleet: Samfleet, tmp_path: Path) -> None:
    cases = shared_path("cases", "tiff_orientation")
    finished = samfleet(
        "segment", cases, "--annotations", cases / "instances.json", "--variant", "mobile_sam", "--task",
        "center_point", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert finished.exit_code == 0, finished.stderr
    (run,) = finished.json()["runs"]
    assert run["quality"]["miou"] == pytest.approx(0.967, abs=0.002)
    folder = shared_path("cases", "annotations")
    for name, exit_code, miou in (
        ("00-base", 0, 0.959),
        ("name-mixed-win", 0, 0.959),
        ("rle-for-original-size", 3, None),
    ):
        finished = samfleet(
            "segment", folder / "images", "--annotations", folder / f"{name}.json", "--variant", "mobile_sam", "--task",
            "box", "--out", tmp_path / name, "--json",
        )  # fmt: skip
        assert finished.exit_code == exit_code, finished.stderr
        (run,) = finished.json()["runs"]
        if miou is not None:
            assert run["quality"]["instances"] == 8
            assert run["quality"]["miou"] == pytest.approx(miou, abs=0.002)
        else:
            assert {error["code"] for error in finished.json()["errors"]} == {"annotation_size_mismatch"}
