from __future__ import annotations

import base64
import json
import sys
import tracemalloc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fixtures.api.api_double import job, run
from fixtures.worker.recorded_jobs import HEIGHT, WIDTH, mask
from samfleet.client.mask_arrays import PackageMissing
from samfleet.client.results import ImageFailure, ResultLines, SegmentResult
from samfleet.client.schemas import Job, Run
from samfleet.client.segmentation import notebook_view

RUN = Run.model_validate(run())


def row(number: int, **changes: Any) -> dict[str, Any]:
    base = {"image_id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT}
    return {**base, "masks": [mask().to_dict(), mask(14, 20).to_dict()], "error": None, **changes}


def result(**changes: Any) -> SegmentResult:
    (one,) = ResultLines(RUN, lambda run_id, image_id: f"{run_id} {image_id}".encode()).feed(
        json.dumps(row(1, **changes)).encode() + b"\n"
    )
    return one


def test_masks_boxes_scores_and_areas_describe_the_same_pixels() -> None:
    one = result()
    assert one.masks.shape == (2, HEIGHT, WIDTH)
    assert one.masks.dtype == np.bool_
    assert one.masks.flags.c_contiguous
    expected = np.zeros((HEIGHT, WIDTH), dtype=bool)
    expected[5:15, 4:12] = True
    assert np.array_equal(one.masks[0], expected)
    assert one.boxes.tolist() == [[4, 5, 12, 15], [14, 5, 20, 15]]
    assert one.areas.tolist() == one.masks.sum(axis=(1, 2)).tolist() == [80, 60]
    assert one.scores.tolist() == [0.9, 0.9]
    assert one.category_ids is None
    assert len(one) == 2
    assert one.masks is one.masks


def test_a_result_has_what_a_manifest_says() -> None:
    assert (result().external_id, result().metadata) == (None, None)
    described = result(external_id="shelf-1", metadata={"camera": "left"})
    assert (described.external_id, described.metadata) == ("shelf-1", {"camera": "left"})


def test_a_detection_gives_its_score_and_category() -> None:
    detected = {**mask().to_dict(), "category_id": 7, "detection_id": 1, "detection_score": 0.25}
    one = result(masks=[detected])
    assert one.scores.tolist() == [0.25]
    assert one.category_ids is not None
    assert one.category_ids.tolist() == [7]


def test_an_image_without_masks_has_empty_arrays_and_is_true() -> None:
    one = result(masks=[])
    assert one.masks.shape == (0, HEIGHT, WIDTH)
    assert (one.boxes.shape, one.scores.shape, one.areas.shape) == ((0, 4), (0,), (0,))
    assert one
    assert list(one.rows()) == []


def test_a_failed_image_says_why() -> None:
    error = {"code": "image_truncated", "message": "<b>ends", "stage": "preprocess"}
    one = result(masks=[], width=None, height=None, error=error)
    assert one.error == ImageFailure("image_truncated", "<b>ends", "preprocess")
    assert one.masks.shape == (0, 0, 0)
    assert one._repr_png_() is None
    assert one._repr_html_() == "<p>1.png: &lt;b&gt;ends [image_truncated]</p>"


def test_a_notebook_shows_the_overlay() -> None:
    one = result()
    assert one._repr_png_() == b"r1 1"
    assert one._repr_html_() is None
    shown = notebook_view(Job.model_validate(job()), iter([one, result(masks=[], error={"code": "a", "message": "b"})]))
    assert shown.count("<img") == 1
    assert base64.b64encode(b"r1 1").decode() in shown
    assert "<td>mobile_sam</td><td>2</td><td>0</td><td>7</td>" in shown


def test_lines_may_be_cut_anywhere() -> None:
    rows = [row(1, file_name="a\u2028b.png"), row(2, masks=[])]
    whole = b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in rows)
    for cut in range(len(whole) + 1):
        lines = ResultLines(RUN, lambda _run, _image: b"")
        found = [*lines.feed(whole[:cut]), *lines.feed(whole[cut:])]
        assert [(one.image_id, one.file_name) for one in found] == [(1, "a\u2028b.png"), (2, "2.png")], cut


def test_a_second_attempt_skips_what_was_read() -> None:
    whole = b"".join(json.dumps(row(number)).encode() + b"\n" for number in (1, 2, 3))
    for cut in range(0, len(whole), 7):
        lines = ResultLines(RUN, lambda _run, _image: b"")
        found = list(lines.feed(whole[:cut]))
        lines.begin()
        found += lines.feed(whole)
        assert [one.image_id for one in found] == [1, 2, 3], cut


def test_only_the_line_that_is_read_is_in_memory() -> None:
    line = json.dumps(row(1, masks=[mask().to_dict()] * 100)).encode() + b"\n"
    lines = ResultLines(RUN, lambda _run, _image: b"")
    tracemalloc.start()
    count = sum(1 for _ in range(200) for _result in lines.feed(line))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 200
    assert peak < 20 * len(line)


@pytest.mark.parametrize("name", ["supervision", "pandas"])
def test_a_missing_package_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises((PackageMissing, ModuleNotFoundError), match=name) as caught:
        result().to_supervision() if name == "supervision" else result().to_pandas()
    assert isinstance(caught.value, PackageMissing)
    assert f"pip install {name}" in caught.value.message


def test_supervision_gets_arrays_of_one_length(monkeypatch: pytest.MonkeyPatch) -> None:
    class Detections(SimpleNamespace):
        @classmethod
        def empty(cls) -> Detections:
            return cls(empty=True)

    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=Detections))
    given: Any = result().to_supervision()
    assert {name: len(values) for name, values in vars(given).items()} == {
        "xyxy": 2,
        "mask": 2,
        "confidence": 2,
        "class_id": 2,
    }
    assert given.class_id.tolist() == [0, 0]
    nothing: Any = result(masks=[]).to_supervision()
    assert nothing.empty
