from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from fixtures.api.api_double import ApiDouble
from fixtures.images.encoded_images import bright_square
from samfleet_cli import connection
from samfleet_cli.commands.predict import objects_of
from samfleet_cli.main import app

MASK = {
    "segmentation": {"size": [4, 4], "counts": "0`0"},
    "area": 16,
    "bbox": [0, 0, 3, 3],
    "predicted_iou": 0.9,
    "stability_score": 0.95,
}
REPLY = {"masks": [MASK], "width": 4, "height": 4, "stages": {"encode": {"ms": 1.5}, "decode": {"ms": 2.0}}}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(bright_square(4, 4))
    return tmp_path / "a.png"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> ApiDouble:
    double = ApiDouble({"POST /v1/predict": REPLY})
    monkeypatch.setattr(connection, "choose_api", lambda _url, _key: None)
    monkeypatch.setattr(connection, "connect", lambda _api: double.client())
    return double


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_image_and_the_prompts_are_sent_and_the_reply_is_written(api: ApiDouble, image: Path) -> None:
    out = image.with_name("masks.json")
    shown = invoke(image, "--variant", "mobile_sam", "--point", "1,2", "--point", "3,2.5,0", "--out", out)
    assert "1 masks of 4 x 4 pixels in 3.5 ms, best predicted IoU 0.900" in shown
    assert json.loads(out.read_text()) == REPLY
    sent = api.requests[0].content
    assert image.read_bytes() in sent
    assert b'"points": [[1.0, 2.0], [3.0, 2.5]], "labels": [1, 0]' in sent


def test_without_prompts_everything_is_asked_for(api: ApiDouble, image: Path) -> None:
    invoke(image, "--variant", "mobile_sam", "--pool", "gpu")
    assert b'{"variant": "mobile_sam", "pool": "gpu"}' in api.requests[0].content


@pytest.mark.usefixtures("api")
def test_masks_can_be_drawn(image: Path) -> None:
    out = image.with_name("overlay.png")
    invoke(image, "--variant", "mobile_sam", "--box", "0,0,4,4", "--out", out)
    with Image.open(out) as drawn:
        assert drawn.size == (4, 4)


@pytest.mark.parametrize(
    ("points", "boxes", "objects"),
    [
        ([], [], []),
        ([], ["0,1,2,3", "4,5,6,7"], [{"box": [0, 1, 2, 3]}, {"box": [4, 5, 6, 7]}]),
        (["1,2,1"], ["0,1,2,3"], [{"points": [[1, 2]], "labels": [1], "box": [0, 1, 2, 3]}]),
    ],
)
def test_points_belong_to_one_object_and_boxes_to_one_each(
    points: list[str], boxes: list[str], objects: list[dict[str, Any]]
) -> None:
    assert objects_of(points, boxes) == objects


@pytest.mark.parametrize(
    ("points", "boxes", "message"),
    [
        (["1"], [], "give 2 numbers"),
        (["1,2,3"], [], "the label is 1"),
        (["1,2,1,1"], [], "give 2 numbers"),
        (["a,2"], [], "give numbers"),
        ([], ["1,2,3"], "give 4 numbers"),
        (["1,2"], ["0,0,1,1", "1,1,2,2"], "belongs to one object"),
    ],
)
def test_wrong_prompts_are_wrong_usage(points: list[str], boxes: list[str], message: str) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        objects_of(points, boxes)


def test_the_output_must_be_json_or_png(image: Path) -> None:
    result = CliRunner().invoke(app, ["predict", str(image), "--variant", "mobile_sam", "--out", "masks.txt"])
    assert result.exit_code == 2
