"""Five images annotated by the ML backend of Label Studio, asked as Label Studio asks and checked by its SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from adapters.tool_process import masks_of, ran
from fixtures.images.scenes import SIZE, write_scenes
from fixtures.servers.running_stack import FIXED, Samfleet
from samfleet.client import Client

pytestmark = pytest.mark.integrations

IMAGES = 5
CONFIG = """
<View>
  <Image name="photo" value="$picture"/>
  <KeyPointLabels name="points" toName="photo"><Label value="jar" smart="true"/></KeyPointLabels>
  <{tag} name="masks" toName="photo"><Label value="jar"/><Label value="lid"/></{tag}>
</View>
"""
BRUSHES, POLYGONS = CONFIG.format(tag="BrushLabels"), CONFIG.format(tag="PolygonLabels")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_scenes(tmp_path_factory.mktemp("images"), IMAGES)[0].parent
    (folder / "broken.png").write_bytes(b"\x89PNG")
    return folder


def setup(config: str, **more: Any) -> dict[str, Any]:
    body = {"project": "1.1764400000", "schema": config, "hostname": "http://elsewhere", "access_token": "other"}
    return {"method": "POST", "path": "/setup", "json": body, **more}


def predict(config: str, *images: str, context: Any = None, **more: Any) -> dict[str, Any]:
    """Return the request of Label Studio for predictions of tasks with these images."""
    tasks = [{"id": number, "data": {"picture": image}} for number, image in enumerate(images, start=7)]
    params = {"login": None, "password": None, "context": context}
    body = {"tasks": tasks, "model_version": FIXED, "project": "1.1764400000", "label_config": config, "params": params}
    return {"method": "POST", "path": "/predict", "json": body, **more}


def replies(samfleet: Samfleet, folder: Path, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    wishes = {"variant": FIXED, "requests": requests}
    found: list[dict[str, Any]] = ran(samfleet, "annotate_in_label_studio", wishes, folder)
    return found


def test_tasks_get_the_masks_of_their_images(samfleet: Samfleet, folder: Path) -> None:
    names = sorted(path.name for path in folder.glob("scene_*"))
    expected = masks_of(samfleet, [folder / name for name in names], FIXED)
    uploads = [f"/data/upload/1/{name}" for name in names]
    with Client(state_dir=samfleet.info.state_dir) as client:
        before = sum(1 for _ in client.jobs())
        connected, brushes, polygons, versions = replies(
            samfleet,
            folder,
            setup(BRUSHES),
            predict(BRUSHES, *uploads),
            predict(POLYGONS, *uploads),
            {"method": "POST", "path": "/versions", "json": {"project": "1.1764400000"}},
        )
        assert sum(1 for _ in client.jobs()) == before
    assert connected == {"status": 200, "model_version": FIXED}
    assert versions == {"status": 200, "versions": [FIXED]}
    for answer in (brushes, polygons):  # the squares of the variant are the same as polygons
        assert answer["status"] == 200
        assert [one["errors"] for one in answer["results"]] == [[]] * IMAGES
        found = [(name, mask) for name, one in zip(names, answer["results"], strict=True) for mask in one["result"]]
        assert found == [(one.image, one.counts) for one in expected]
        assert {one["model_version"] for one in answer["results"]} == {FIXED}
        assert {label for one in answer["results"] for (label,) in one["labels"]} == {"jar"}


def test_an_image_that_fails_leaves_the_others_their_masks(samfleet: Samfleet, folder: Path) -> None:
    good, bad = "/data/upload/1/scene_00.png", "upload/1/broken.png"
    mixed, alone, none = replies(
        samfleet, folder, predict(BRUSHES, good, bad, good), predict(BRUSHES, bad), predict(BRUSHES)
    )
    assert [len(one["result"]) for one in mixed["results"]] == [2, 0, 2]
    assert (alone["status"], alone["code"]) == (500, "job_failed")
    assert none["results"] == []


def test_requests_that_cannot_be_carried_out_have_codes(samfleet: Samfleet, folder: Path) -> None:
    elsewhere = ["http://169.254.169.254/latest", "/etc/hostname", "file:///etc/hostname", "data:image/png;base64,aa"]
    upload = "/data/upload/1/scene_00.png"
    answers = replies(
        samfleet,
        folder,
        *(predict(BRUSHES, address) for address in elsewhere),
        predict(BRUSHES, upload, key="wrong"),
        predict(BRUSHES, "/data/upload/1/missing.png"),
        setup("<View"),
        *(setup(CONFIG.format(tag=tag)) for tag in ("Choices", "RectangleLabels")),
        setup(BRUSHES, auth=("label-studio", "wrong")),
        {"method": "GET", "path": "/health", "auth": ("", "")},
    )
    assert [(one["status"], one.get("code")) for one in answers] == [
        *[(422, "label_studio_image_not_allowed")] * len(elsewhere),
        (503, "label_studio_image_not_fetched"),
        (503, "label_studio_image_not_fetched"),
        *[(422, "labelling_interface_unsupported")] * 3,
        (401, None),
        (200, None),
    ]


def drawn(kind: str, positive: bool = True, **value: Any) -> dict[str, Any]:
    """Return a region of a scene as Label Studio sends it; its numbers are percent of the sides."""
    size = {"original_width": SIZE[0], "original_height": SIZE[1], "image_rotation": 0}
    labelled = {"rotation": 0, **value}
    return {"id": "a", "type": kind, "to_name": "photo", "is_positive": positive, "value": labelled, **size}


def test_what_an_annotator_marks_becomes_a_mask(samfleet: Samfleet, folder: Path) -> None:
    box = drawn("rectanglelabels", x=12.5, y=12.5, width=25, height=25, rectanglelabels=["lid"])
    point = drawn("keypointlabels", x=50, y=50, width=0.5, keypointlabels=["other"])
    negative = drawn("keypointlabels", positive=False, x=20, y=20, width=0.5, keypointlabels=["lid"])
    marked = [[box], [point], [negative, box], [negative], [box, box], [], [{**box, "type": "ellipselabels"}]]
    marked += [[drawn("rectangle", x=1, y=1, width=1, height=1, rotation=30)], [{"type": "keypoint", "value": {}}]]
    uploads = [f"/data/upload/1/scene_{number:02}.png" for number in range(IMAGES)]
    requests = [predict(BRUSHES, upload, context={"result": [box]}) for upload in uploads]
    requests += [predict(BRUSHES, uploads[0], context={"result": regions}) for regions in marked]
    answers = replies(samfleet, folder, *requests)
    found = [[(one["result"], one["labels"], one["errors"]) for one in answer.get("results", [])] for answer in answers]
    whole: list[Any] = [([square(40, 30, 120, 90)], [["lid"]], [])]
    assert found[:IMAGES] == [whole] * IMAGES
    assert found[IMAGES : IMAGES + 3] == [whole, [([square(160, 120, 161, 121)], [["jar"]], [])], whole]
    assert [answer.get("code") for answer in answers[IMAGES + 3 :]] == ["label_studio_prompt_invalid"] * 6


def square(left: int, top: int, right: int, bottom: int) -> str:
    bits = np.zeros(SIZE[::-1], np.uint8, order="F")
    bits[top:bottom, left:right] = 1
    return str(coco_mask.encode(bits)["counts"].decode())
