from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask

from benchmarks.cases import BoxedImage, Case, Contender
from benchmarks.children import ChildFailed, ChildOptions, ChildProcess
from benchmarks.contenders.run_lengths import run_lengths
from benchmarks.contenders.server import Server, serve
from benchmarks.engine import arguments
from benchmarks.others import OtherUnavailable, measured_processes, other_versions
from fixtures.benchmarks.official_double import write_official_double

OFFICIAL = Contender("official", "default")
BOXES = ((0.0, 0.0, 2.0, 3.0), (1.0, 1.0, 4.0, 4.0))


class Double:
    """Returns a mask for every point and box, and counts what it is asked."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.encoded = 0
        self.grids: list[int] = []

    def encode(self, image: Path) -> Callable[[], object]:
        def work() -> None:
            self.encoded += 1

        return work

    def everything(self, image: Path, per_side: int) -> Sequence[Any]:
        self.grids.append(per_side)
        return [torch.ones(2, 3, dtype=torch.bool)] * per_side**2

    def boxes(self, image: Path, boxes: Sequence[Any]) -> Sequence[Any]:
        return [{"size": [2, 3], "counts": b"06"} for _ in boxes]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    pixels[:, 1:3] = 255
    Image.fromarray(pixels).save(tmp_path / "image.png")
    return tmp_path / "image.png"


@pytest.fixture
def options(tmp_path: Path) -> ChildOptions:
    folder = write_official_double(tmp_path / "official")
    return ChildOptions("mobile_sam", str(tmp_path), "cpu", 1, official=str(folder))


def order(name: str, case: Case) -> dict[str, Any]:
    boxed = [{"image": one.image, "boxes": one.boxes} for one in case.boxed]
    return {"order": name, "kind": case.kind, "size": case.size, "image": case.image, "boxed": boxed}


def test_run_lengths_are_those_of_pycocotools() -> None:
    rng = np.random.default_rng(3)
    masks = [rng.random((5, 7)) > 0.5, np.ones((2, 3), bool), np.zeros((2, 3), bool), np.zeros((0, 4), bool)]
    for mask in masks:
        found = run_lengths(mask)
        assert sum(found["counts"]) == mask.size
        if mask.size:
            decoded = coco_mask.decode(coco_mask.frPyObjects(found, *mask.shape))
            assert np.array_equal(decoded.astype(bool), mask)


def test_a_server_measures_and_returns_the_masks_of_the_last_case() -> None:
    double = Double()
    server = Server(double)
    everything = Case("everything", 3, "x.png")
    boxes = Case("boxes", 3, "x.png", (BoxedImage("x.png", BOXES), BoxedImage("y.png", BOXES[:1])))
    server.answer(order("warm", everything))
    assert server.answer(order("measure", everything))["masks"] == 9
    assert double.grids == [2, 3]  # the warm-up is small
    assert server.answer({"order": "masks"}) == [[{"size": [2, 3], "counts": [0, 6]}] * 9]
    assert server.answer(order("measure", boxes))["masks"] == 3
    assert server.answer({"order": "masks"}) == [[{"size": [2, 3], "counts": "06"}] * n for n in (2, 1)]
    assert server.answer(order("measure", Case("encode", 1, "x.png")))["masks"] is None
    assert double.encoded == 1
    assert server.answer({"order": "masks"}) == []


def test_orders_and_answers_are_lines_of_json() -> None:
    answers = io.StringIO()
    serve(Server(Double()).answer, io.StringIO(json.dumps({"order": "masks"}) + "\n"), answers)
    assert answers.getvalue() == '{"answer": []}\n'


def test_the_official_package_runs_in_another_process(options: ChildOptions, image: Path) -> None:
    boxes = Case("boxes", 2, str(image), (BoxedImage(str(image), BOXES),))
    with ChildProcess(OFFICIAL, options) as child:
        assert child.versions()["torch"] == torch.__version__
        assert child.measure(boxes).masks == 2
        first, second = child.masks()[0]
        assert first == {"size": [4, 6], "counts": [4, 3, 17]}  # column 1 of rows 0 to 2
        assert second == {"size": [4, 6], "counts": [5, 3, 1, 3, 12]}
        assert child.measure(Case("everything", 2, str(image))).masks == 4
        assert child.masks()[0][1] == {"size": [4, 6], "counts": [0, 2, 22]}
        assert child.measure(Case("encode", 1, str(image))).seconds > 0


def test_a_contender_that_does_not_start_is_an_error_before_the_benchmark(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "mobile_sam"
    package.mkdir()
    (package / "__init__.py").write_text("import a_missing_module")
    options = ChildOptions("mobile_sam", str(tmp_path), "cpu", 1, official=str(tmp_path))
    with pytest.raises(OtherUnavailable, match="official does not start in") as failed:
        other_versions([OFFICIAL], options)
    assert isinstance(failed.value.__cause__, ChildFailed)
    assert "has no module a_missing_module, which official needs" in capfd.readouterr().err


def test_a_missing_python_is_an_error(tmp_path: Path) -> None:
    options = ChildOptions("mobile_sam", str(tmp_path), "cpu", 1, str(tmp_path / "python"), str(tmp_path))
    with pytest.raises(OtherUnavailable, match=r"--official-python: .* does not exist"):
        other_versions([OFFICIAL], options)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--official", "{folder}", "--variant", "tinysam"], "no official package has tinysam"),
        (["--official", "{folder}", "--variant", "sam_vit_b"], "has no folder segment_anything"),
        (["--against", "official"], "--against official needs --official PATH"),
        (["--boxes", "{folder}"], "--boxes has no opponent"),
        (["--against", "pipeline"], "--against pipeline needs --official PATH"),
        (["--against", "ultralytics", "--variant", "tinysam"], "ultralytics cannot run tinysam"),
    ],
)
def test_a_wrong_path_of_the_official_package_is_an_error(tmp_path: Path, words: list[str], message: str) -> None:
    folder = write_official_double(tmp_path / "official")
    with pytest.raises(OtherUnavailable, match=message):
        measured_processes(arguments([word.format(folder=folder) for word in words]))


def test_the_path_of_the_official_package_chooses_its_python(tmp_path: Path) -> None:
    folder = write_official_double(tmp_path / "official")
    found = measured_processes(arguments(["--official", str(folder)]))
    assert (found.official, found.other_python) == (str(folder), sys.executable)
