from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from pycocotools.coco import COCO
from typer.testing import CliRunner

from fixtures.api.api_double import ApiDouble
from fixtures.api.segmentations import reply
from fixtures.images.encoded_images import bright_square
from fixtures.worker.recorded_jobs import HEIGHT, WIDTH
from samfleet_cli import connection
from samfleet_cli.main import app


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(bright_square(WIDTH, HEIGHT))
    return tmp_path / "a.png"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> ApiDouble:
    double = ApiDouble({"POST /v1/predict": reply()})
    monkeypatch.setattr(connection, "choose_api", lambda _url, _key: None)
    monkeypatch.setattr(connection, "connect", lambda _api: double.client())
    return double


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_prompts_are_sent_and_the_masks_are_summed_up(api: ApiDouble, image: Path) -> None:
    shown = invoke(image, "--variant", "mobile_sam", "--point", "1,2", "--point", "3,2.5,0", "--box", "0,0,4,4")
    assert "2 masks of 32 x 24 pixels in 3.5 ms, best predicted IoU 0.900" in shown
    sent = api.requests[0].content
    assert image.read_bytes() in sent
    (prompted,) = json.loads(re.findall(rb"{.*}", sent)[0])["objects"]
    assert prompted == {"points": [[1, 2], [3, 2.5]], "labels": [1, 0], "box": [0, 0, 4, 4]}


def test_without_prompts_everything_is_asked_for(api: ApiDouble, image: Path) -> None:
    printed = invoke(image, "--variant", "mobile_sam", "--pool", "gpu", "--json")
    assert b'{"variant": "mobile_sam", "pool": "gpu"}' in api.requests[0].content
    assert json.loads(printed) == reply()


@pytest.mark.usefixtures("api")
def test_an_overlay_and_a_coco_file_are_written(image: Path) -> None:
    png, coco = image.with_name("overlay.PNG"), image.with_name("masks.json")
    invoke(image, "--variant", "mobile_sam", "--out", png, "--out", coco)
    with Image.open(png) as drawn:
        assert drawn.size == (WIDTH, HEIGHT)
    loaded = COCO(coco)
    assert loaded.loadImgs([1]) == [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}]
    assert loaded.annToMask(loaded.anns[1]).sum() == loaded.anns[1]["area"] == 80
    assert loaded.anns[2]["bbox"] == [14, 5, 6, 10]
    assert loaded.dataset["info"]["weights_licence"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--point", "1,2,3", "the label is 1"),
        ("--point", "a,2", "give numbers"),
        ("--box", "1,,3", "give numbers"),
        ("--out", "masks.txt", "must end in .json or .png"),
    ],
)
def test_a_wrong_option_is_wrong_usage(image: Path, option: str, value: str, message: str) -> None:
    result = CliRunner().invoke(app, ["predict", str(image), "--variant", "mobile_sam", option, value])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
