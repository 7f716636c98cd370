"""Write the same labels in each format and compare what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.datasets.labels import (
    HEIGHT,
    IMAGES,
    LABELS,
    WIDTH,
    Labels,
    write_coco,
    write_csv,
    write_fiftyone,
    write_label_studio,
    write_voc,
    write_yolo,
)
from samfleet.datasets.prompt_formats.coco import read_coco
from samfleet.datasets.prompt_formats.convert import FORMATS, Converted, convert
from samfleet.datasets.prompt_formats.foreign import LabelsOfNoImage, LabelsUnreadable
from samfleet.datasets.prompt_lines import PromptsInvalid, check_line


def converted(form: str, path: Path) -> tuple[dict[str, Any], Converted]:
    """Return the line by image, and the counts."""
    lines: list[str] = []
    counts = convert(form, path, IMAGES, lines.append)
    return {(line := json.loads(text))["file_name"]: line for text in lines}, counts


def labels_of(lines: dict[str, Any]) -> Labels:
    found: Labels = {}
    for name, line in lines.items():
        x, y = (WIDTH, HEIGHT) if line["coordinates"] == "relative" else (1, 1)
        found[name] = [
            (one["category"], (box[0] * x, box[1] * y, box[2] * x, box[3] * y))
            for one in line["objects"]
            for box in [one["box"]]
        ]
        check_line(name, line)
    return found


@pytest.mark.parametrize(
    ("form", "write"),
    [
        ("yolo", write_yolo),
        ("voc", write_voc),
        ("csv", write_csv("x0,y0,x1,y1")),
        ("csv", write_csv("xmin,ymin,xmax,ymax")),
        ("csv", write_csv("x,y,width,height", lambda x0, y0, x1, y1: (x0, y0, x1 - x0, y1 - y0))),
        ("fiftyone", write_fiftyone),
        ("label_studio", write_label_studio),
        ("coco", write_coco),
    ],
)
def test_the_same_labels_come_back_through_each_format(
    tmp_path: Path, form: str, write: Callable[[Path], Path]
) -> None:
    lines, counts = converted(form, write(tmp_path))
    assert labels_of(lines) == LABELS
    assert (counts.images, counts.prompts, dict(counts.skipped)) == (2, 3, {"crowd": 1} if form == "coco" else {})


def test_every_format_has_been_compared() -> None:
    assert set(FORMATS) == {"yolo", "voc", "csv", "fiftyone", "label_studio", "coco"}


def test_points_of_fiftyone_and_label_studio_are_prompts(tmp_path: Path) -> None:
    keypoint = {"_id": {"$oid": "ab"}, "_cls": "Keypoint", "label": "jar", "points": [[0.5, 0.25], [0.5, 0.5]]}
    sample = {
        "filepath": "other.jpg",
        "dots": {"_cls": "Keypoints", "keypoints": [keypoint]},
        "kind": {"_cls": "Classification", "label": "shelf"},
    }
    (tmp_path / "samples.json").write_text(json.dumps({"samples": [sample]}))
    lines, counts = converted("fiftyone", tmp_path)
    points = {"id": "ab", "category": "jar", "points": [[0.5, 0.25], [0.5, 0.5]]}
    assert lines["other.jpg"]["objects"] == [points]
    assert dict(counts.skipped) == {"Classification": 1}
    regions = [
        {"id": "k", "type": "keypointlabels", "value": {"x": 50, "y": 25, "width": 1, "keypointlabels": ["jar"]}},
        {"id": "b", "type": "brushlabels", "value": {"rle": [], "brushlabels": ["jar"]}},
    ]
    task = {"data": {"picture": "other.jpg", "note": "a"}, "annotations": [{"result": regions}, {"result": regions}]}
    (tmp_path / "export.json").write_text(json.dumps([task]))
    lines, counts = converted("label_studio", tmp_path / "export.json")
    assert lines["other.jpg"]["objects"] == [{"id": "k", "category": "jar", "points": [[0.5, 0.25]]}]
    assert dict(counts.skipped) == {"brushlabels": 1, "annotation by another person": 1}


def test_yolo_without_names_has_ids_and_takes_polygons_and_confidences(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("2 0.5 0.5 0.5 0.5 0.9\n0 0.25 0.25 0.5 0.75 0.375 0.125\n")
    lines, _ = converted("yolo", tmp_path)
    assert lines["other.jpg"]["objects"] == [
        {"id": 1, "category_id": 2, "box": [0.25, 0.25, 0.75, 0.75]},
        {"id": 2, "category_id": 0, "box": [0.25, 0.125, 0.5, 0.75]},
    ]


def test_an_image_without_objects_keeps_its_line(tmp_path: Path) -> None:
    labels = write_yolo(tmp_path)
    (labels / "other.txt").write_text("")
    lines, counts = converted("yolo", labels)
    assert lines["other.jpg"]["objects"] == []
    assert counts.images == 3


ROTATED = (
    '[{"data": {"image": "a.jpg"}, "annotations": [{"result": [{"type": "rectangle", "id": "r", '
    '"value": {"rotation": 5}}]}]}]'
)
BOMB = '<!DOCTYPE a [<!ENTITY x "y">]><annotation><filename>&x;</filename></annotation>'


@pytest.mark.parametrize(
    ("form", "name", "text", "message"),
    [
        ("yolo", "other.txt", "1 0.5 0.5 0.5", "line 1 has 3 numbers after the class"),
        ("yolo", "other.txt", "1 0.5 0.5 0.5 0.5 0.5 0.5 0.5", "line 1 has 7 numbers"),
        ("yolo", "other.txt", "cat 0.5 0.5 0.5 0.5", "are not numbers"),
        ("yolo", "other.txt", "0.5 0.5 0.5 0.5 0.5", "the class 0.5 is not a whole number"),
        ("yolo", "other.txt", "nan 0.5 0.5 0.5 0.5", "the class nan is not a whole number"),
        ("yolo", "other.txt", "inf 0.5 0.5 0.5 0.5", "the class inf is not a whole number"),
        ("yolo", "other.txt", "", "has no boxes or points"),
        ("voc", "a.xml", BOMB, "is not XML without entities"),
        ("voc", "a.xml", "<annotation>", "is not XML"),
        ("voc", "a.xml", "<a>" * 200_000 + "</a>" * 200_000, "outer element is not annotation"),
        ("voc", "a.xml", "<a/>", "outer element is not annotation"),
        ("voc", "a.xml", "<annotation/>", "does not name its image"),
        ("voc", "a.xml", "<annotation><filename>other.jpg</filename><object/></annotation>", "has no bndbox"),
        (
            "voc",
            "a.xml",
            "<annotation><filename>other.jpg</filename><object><bndbox/></object></annotation>",
            "are not numbers",
        ),
        ("csv", "a.csv", "", "has the columns \\(none\\)"),
        ("csv", "a.csv", "image,x0,y0,x1\n", "name the columns"),
        ("csv", "a.csv", "image,x0,y0,x1,y1\nother.jpg,1,2,3\n", "line 2: .* are not numbers"),
        ("fiftyone", "a.json", "[]", "must be a JSON object"),
        ("fiftyone", "a.json", '{"samples": [{}]}', r"samples\[0\] has no filepath"),
        (
            "fiftyone",
            "a.json",
            '{"samples": [{"filepath": "a", "x": {"_cls": "Detections"}}]}',
            "no list of detections",
        ),
        ("label_studio", "a.json", "{}", "must be a JSON list"),
        ("label_studio", "a.json", "[{}]", "task 0 has no data"),
        ("label_studio", "a.json", '[{"data": {"text": "a"}}]', "data has no image"),
        ("fiftyone", "a.json", '{"samples": [{"filepath": "a", "x": ' + "[" * 100_000, "nested too deeply"),
        (
            "fiftyone",
            "a.json",
            '{"samples": [{"filepath": "a", "x": {"_cls": "Detection", "bounding_box": [1e999, NaN, 0, 0]}}]}',
            "NaN in samples",
        ),
        ("label_studio", "a.json", '[{"data": {"image": "a.jpg"}, "annotations": 5}]', "annotations is not a list"),
        (
            "label_studio",
            "a.json",
            '[{"data": {"image": "a.jpg"}, "annotations": [{"result": [{"type": "keypoint", "value": {"x": 1'
            + "0" * 400
            + ', "y": 1}}]}]}]',
            "are not numbers",
        ),
        (
            "label_studio",
            "a.json",
            ROTATED,
            "region 'r' is rotated",
        ),
    ],
)
def test_a_broken_file_is_named_with_its_fault(tmp_path: Path, form: str, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LabelsUnreadable, match=message):
        converted(form, tmp_path if form in {"yolo", "voc"} else tmp_path / name)


@pytest.mark.parametrize(("form", "suffix"), [("yolo", ".txt"), ("voc", ".xml")])
def test_a_folder_without_labels_is_an_error(tmp_path: Path, form: str, suffix: str) -> None:
    with pytest.raises(LabelsUnreadable, match=f"has no {suffix} files"):
        converted(form, tmp_path)


def test_labels_of_an_unknown_image_or_outside_the_form_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("image,x0,y0,x1,y1\nmissing.jpg,1,2,3,4\n")
    with pytest.raises(LabelsOfNoImage, match=r"line 2: no image has the name 'missing\.jpg'"):
        converted("csv", path)
    path.write_text("image,x0,y0,x1,y1\nother.jpg,3,2,1,4\n")
    with pytest.raises(PromptsInvalid, match=r"line 2, objects\[0\], object '1': box .* is not"):
        converted("csv", path)
    path.write_text("image,x0,y0,x1,y1\nother.jpg,nan,2,1,4\n")
    with pytest.raises(PromptsInvalid, match="box must be four numbers"):
        converted("csv", path)
    for number in (1, 2):
        (tmp_path / f"{number}.xml").write_text("<annotation><filename>other.jpg</filename></annotation>")
    with pytest.raises(PromptsInvalid, match=r"the image 'other\.jpg' has labels elsewhere too"):
        converted("voc", tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        "names: &a [x, *a]",
        "names: [[x, y]]",
        "names: " + "[" * 2000,
        "names: 5",
        "other: 1",
        "names: [" + "x, " * 2**17,
    ],
)
def test_names_of_classes_must_be_a_plain_list_or_mapping(tmp_path: Path, names: str) -> None:
    (tmp_path / "data.yaml").write_text(names)
    (tmp_path / "other.txt").write_text("0 0.5 0.5 0.5 0.5")
    with pytest.raises(LabelsUnreadable, match=r"data\.yaml"):
        converted("yolo", tmp_path)


def test_labels_of_other_images_are_skipped_if_the_images_are_limited(tmp_path: Path) -> None:
    path, lines = write_csv("x0,y0,x1,y1")(tmp_path), list[str]()
    counts = convert("csv", path, IMAGES[:1], lines.append, limited=True)
    assert (counts.images, len(lines)) == (1, 1)
    assert convert("csv", path, ["none.jpg"], lines.append, limited=True).images == 0


def test_ids_of_coco_categories_stay_if_names_do_not_tell_them_apart(tmp_path: Path) -> None:
    image = {"id": 4, "file_name": "a.jpg"}
    box = {"id": 7, "image_id": 4, "category_id": 2, "segmentation": [[1, 1, 5, 1, 5, 3]]}
    for categories, expected in (
        ([{"id": 2, "name": "jar"}, {"id": 3, "name": "lid"}], {"category": "jar"}),
        ([{"id": 2, "name": "jar"}, {"id": 3, "name": "jar"}], {"category_id": 2}),
        ([{"id": 2}], {"category_id": 2}),
        ([], {"category_id": 2}),
    ):
        content = {"images": [image], "annotations": [box], "categories": categories}
        (tmp_path / "instances.json").write_text(json.dumps(content))
        (found,) = read_coco(tmp_path / "instances.json")
        assert (found.name, found.objects) == ("a.jpg", [{"id": 7, **expected, "box": [1, 1, 5, 3]}])
