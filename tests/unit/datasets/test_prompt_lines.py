from __future__ import annotations

import io
import json
from typing import Any

import pytest

from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.prompt_files import read_prompt_lines
from samfleet.datasets.prompt_lines import (
    ImagePrompts,
    PromptedObject,
    PromptsInvalid,
    PromptsTooLarge,
)
from samfleet.variants.task import Prompt, PromptMask


def read(*lines: Any, limits: AnnotationLimits | None = None) -> list[ImagePrompts]:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return list(read_prompt_lines(io.BytesIO(text.encode()), limits))


def one(**members: Any) -> dict[str, Any]:
    return {"file_name": "a.jpg", "objects": [{"id": "x", **members}]}


def test_a_line_has_an_image_and_its_objects() -> None:
    line = {
        "file_name": "sub/a.jpg",
        "objects": [
            {"id": "cat", "category": "animal", "points": [[1, 2.5], [3, 4]], "labels": [1, 0]},
            {"id": 7, "category_id": 3, "prompts": [{"box": [1, 2, 3, 4]}, {"points": [[5, 6]]}]},
        ],
    }
    assert read(line) == [
        ImagePrompts(
            1,
            "sub/a.jpg",
            (
                PromptedObject("cat", (Prompt(((1.0, 2.5), (3.0, 4.0)), (1, 0)),), category="animal"),
                PromptedObject(
                    "7", (Prompt(box=(1.0, 2.0, 3.0, 4.0)), Prompt(((5.0, 6.0),), (1,), multimask=True)), category_id=3
                ),
            ),
        )
    ]


def test_blank_lines_a_mark_and_windows_line_ends_are_skipped() -> None:
    text = "\ufeff\r\n" + json.dumps(one(box=[0, 0, 1, 1])) + "\r\n\r\n" + json.dumps({"image_id": 4, "objects": []})
    assert [(image.line, image.image) for image in read_prompt_lines(io.BytesIO(text.encode()))] == [
        (2, "a.jpg"),
        (4, 4),
    ]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"points": [[1, 1]]}, True),
        ({"points": [[1, 1], [2, 2]]}, False),
        ({"points": [[1, 1]], "box": [0, 0, 2, 2]}, False),
        ({"box": [0, 0, 2, 2]}, False),
        ({"box": [0, 0, 2, 2], "multimask": True}, True),
        ({"points": [[1, 1]], "multimask": False}, False),
    ],
)
def test_only_a_single_point_predicts_three_masks_by_default(members: dict[str, Any], *, expected: bool) -> None:
    assert read(one(**members))[0].objects[0].prompts[0].multimask is expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ("[" * 100_000, "line 2 is nested too deeply"),
        ('{"image_id": NaN}', "line 2 is not JSON: NaN"),
        ([], "line 2: a line must be a JSON object"),
        ({"file_name": "a"}, "line 2: objects must be a list"),
        ({"objects": []}, "give either file_name, or image_id"),
        ({"file_name": "a", "image_id": 1, "objects": []}, "give either file_name, or image_id"),
        ({"file_name": "", "objects": []}, "file_name must be"),
        ({"image_id": -1, "objects": []}, "image_id must be"),
        ({"image_id": True, "objects": []}, "image_id must be"),
        ({"file_name": "a", "coordinates": "percent", "objects": []}, "coordinates is 'pixels'"),
        ({"file_name": "a", "coordinates": [], "objects": []}, "coordinates is 'pixels'"),
        ({"file_name": "a", "boxes": [], "objects": []}, "unknown member 'boxes'"),
        ({"file_name": "a", "objects": [3]}, r"objects\[0\]: an object must be a JSON object"),
        ({"file_name": "a", "objects": [{"box": [0, 0, 1, 1]}]}, r"objects\[0\]: id must be"),
        (one(id="a\n", box=[0, 0, 1, 1]), "id must be"),
        (one(), "object 'x': a prompt has neither points nor a box"),
        (one(prompts=[]), "it has no prompts"),
        (one(prompts=[{"box": [0, 0, 1, 1]}], box=[0, 0, 1, 1]), "give either prompts, or box"),
        (one(prompts=[{"box": [0, 0, 1, 1]}, {}]), r"prompts\[1\]: a prompt has neither points nor a box"),
        (one(prompts=[{"mark": "m"}]), "unknown member 'mark'"),
        (one(prompts=[{"mask": "m"}]), "mask must be COCO's RLE"),
        (one(mask={"size": [2, 2], "counts": [4], "area": 0}), "mask must be COCO's RLE"),
        (one(mask={"size": [2, 2], "counts": [4]}), "mask has no pixels"),
        (one(mask={"size": [2, 2], "counts": [1, 2]}), "mask: counts describe 3 pixels"),
        (one(mask={"size": [2, 2], "counts": "~"}), "mask: counts are not a compressed"),
        (one(mask={"size": [2, -2], "counts": [1, 3]}), "mask: size must be"),
        (one(mask={"size": [10**6, 10**6], "counts": [0, 10**12]}), "more pixels than the limit"),
        (one(mask={"size": [2, 2], "counts": [[]]}), "mask: counts must be whole numbers"),
        (one(points=[[1, 1]], labels=[2]), "point labels are 1"),
        (one(points=[[1, 1]], labels=[True]), "labels must be 1"),
        (one(points=[[1, 1]], labels=[1, 1]), "1 points but 2 labels"),
        (one(points=[[1, 1, 1]]), "a point must be two numbers"),
        (one(points=[[1, "1"]]), "a point must be two numbers"),
        (one(points=[[1, 1]] * 65), "has 65 points; give at most 64"),
        (one(box=[0, 0, 1]), "box must be four numbers"),
        (one(box=[3, 0, 1, 1]), "is not \\(x0, y0, x1, y1\\)"),
        (one(box=[0, 0, 1, 1], multimask=1), "multimask must be"),
        (one(box=[0, 0, 1, 1], category="a", category_id=1), "give either category"),
        (one(box=[0, 0, 1, 1], category=""), "category must be"),
        (one(box=[0, 0, 1, 1], category_id="1"), "category_id must be"),
        (
            {"file_name": "a", "objects": [{"id": "1", "box": [0, 0, 1, 1]}, {"id": 1, "box": [0, 0, 1, 1]}]},
            "line 2: the object id '1' occurs twice",
        ),
    ],
)
def test_an_error_names_the_line_and_the_fault(line: Any, message: str) -> None:
    with pytest.raises(PromptsInvalid, match=message):
        read(one(box=[0, 0, 1, 1]), line)


def test_a_line_must_be_text() -> None:
    with pytest.raises(PromptsInvalid, match="line 1 is not UTF-8"):
        list(read_prompt_lines(io.BytesIO(b'"\xff"')))


@pytest.mark.parametrize("lines", [(), ("",), ({"file_name": "a.jpg", "objects": []},)])
def test_a_file_without_prompts_is_refused(lines: tuple[Any, ...]) -> None:
    with pytest.raises(PromptsInvalid, match="the file has no prompts"):
        read(*lines)


def test_the_size_of_a_line_and_the_numbers_of_prompts_are_bounded() -> None:
    line = one(box=[0, 0, 1, 1])
    exact = len(json.dumps(line)) + 1
    assert len(read(line, "", limits=AnnotationLimits(segmentation_bytes=exact))) == 1
    with pytest.raises(PromptsTooLarge, match="line 1 has more than"):
        read(line, "", limits=AnnotationLimits(segmentation_bytes=exact - 1))
    two = {"file_name": "b.jpg", "objects": [{"id": n, "box": [0, 0, 1, 1]} for n in (1, 2)]}
    assert len(read(two, limits=AnnotationLimits(objects=2, entries=2))) == 1
    with pytest.raises(PromptsTooLarge, match="line 1: the image has more than 1 prompts"):
        read(two, limits=AnnotationLimits(objects=1))
    with pytest.raises(PromptsTooLarge, match="line 2: the file has more than 2 prompts or lines"):
        read(line, two, limits=AnnotationLimits(entries=2))
    with pytest.raises(PromptsTooLarge, match="line 2: the file has more than 1 prompts or lines"):
        read(line, {"file_name": "b", "objects": []}, limits=AnnotationLimits(entries=1))


def test_a_mask_is_run_lengths_as_a_list_or_compressed() -> None:
    runs, text = {"size": [2, 3], "counts": [1, 4, 1]}, {"size": [2, 3], "counts": "141"}
    (image,) = read(
        {"file_name": "a", "objects": [{"id": 1, "mask": runs}, {"id": 2, "points": [[1, 1]], "mask": text}]}
    )
    first, second = (prompt for thing in image.objects for prompt in thing.prompts)
    assert first == Prompt(mask=PromptMask((2, 3), "141"))
    assert second == Prompt(((1.0, 1.0),), (1,), mask=PromptMask((2, 3), "141"))  # no multimask: it is not ambiguous
