"""Labels of other tools uploaded as one file, also by senders who are not trusted."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import pytest

from fixtures.datasets.labels import IMAGES, LABELS, WRITERS, packed_labels
from fixtures.images.archives import encrypted, zip_link
from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.prompt_formats import uploaded
from samfleet.datasets.prompt_formats.uploaded import LabelFormat, converted, count_uploaded
from samfleet.errors import SamfleetError

LIMITS, MOST = AnnotationLimits(), 2**20
ONE = "<annotation><filename>other.jpg</filename>{}</annotation>"
BOX = "<object><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object>"


def zipped(files: Mapping[str, str]) -> IO[bytes]:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    data.seek(0)
    return data


class Stream(io.BytesIO):
    """A file as object stores open it."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation("seek")


@pytest.mark.parametrize("form", list(WRITERS))
def test_uploaded_labels_become_the_prompts_of_the_command(tmp_path: Path, form: LabelFormat) -> None:
    content = packed_labels(form, WRITERS[form](tmp_path))
    assert count_uploaded(content, form, LIMITS, MOST) == 3
    content.seek(0)
    with converted(Stream(content.read()), form, IMAGES, LIMITS, MOST) as lines:
        found = [json.loads(line) for line in lines]
    categories = {line["file_name"]: [one["category"] for one in line["objects"]] for line in found}
    assert categories == {name: [category for category, _ in objects] for name, objects in LABELS.items()}


@pytest.mark.parametrize(
    ("form", "content", "code", "message"),
    [
        ("voc", zipped({"../a.xml": ""}), "archive_name_forbidden", "'../a.xml' is absolute or leads out"),
        ("voc", io.BytesIO(zip_link()), "archive_member_forbidden", "is a link"),
        ("voc", io.BytesIO(encrypted()), "archive_encrypted", "is encrypted"),
        ("voc", io.BytesIO(b"PK"), "archive_invalid", "is broken"),
        ("voc", zipped({"a.xml": "x", "a.xml/b.xml": "x"}), "archive_invalid", "cannot be unpacked"),
        ("voc", zipped({"x" * 300 + ".xml": "x"}), "archive_invalid", "cannot be unpacked"),
        ("voc", zipped({"a.xml": "x", "./a.xml": "x"}), "archive_duplicate", "'a.xml' twice"),
        ("voc", zipped({"a.xml": " " * 2**21}), "prompts_too_large", "unpacks to more than 1048576 bytes"),
        ("voc", zipped({"a.jpg": "x"}), "labels_unreadable", "the zip file has no .xml files"),
        ("voc", zipped({"deep/er/a.xml": "<a/>"}), "labels_unreadable", "a.xml is not of Pascal VOC"),
        ("yolo", zipped({"a/a.txt": "0 nan nan 1 1", "b/b.txt": ""}), "prompts_invalid", "a/a.txt, objects[0]"),
        ("coco", io.BytesIO(b'{"images": [], "annotations": []}'), "labels_unreadable", "has no boxes"),
        ("coco", io.BytesIO(b"[]"), "labels_unreadable", "must be a JSON object with images"),
        (
            "coco",
            io.BytesIO(b'{"images": [], "annotations": [{"id": 1}]}'),
            "labels_unreadable",
            "annotations[0] (id 1)",
        ),
        ("csv", io.BytesIO(b"image,x0,y0,x1,y1\na.jpg,1e999,1,2,2"), "prompts_invalid", "labels.csv, line 2"),
    ],
)
def test_hostile_labels_are_refused(form: LabelFormat, content: IO[bytes], code: str, message: str) -> None:
    content.seek(0)
    with pytest.raises(SamfleetError) as caught:
        count_uploaded(content, form, LIMITS, MOST)
    assert caught.value.code == code
    assert message in caught.value.message
    assert "/tmp" not in caught.value.message


def test_labels_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: ONE.format(BOX * 2) for name in ("a.xml", "b.xml")}
    for limits in (AnnotationLimits(objects=1), AnnotationLimits(entries=3), AnnotationLimits(segmentation_bytes=9)):
        with pytest.raises(SamfleetError) as caught:
            count_uploaded(zipped(files), "voc", limits, MOST)
        assert caught.value.code == "prompts_too_large"
    monkeypatch.setattr(uploaded, "MOST_FILES", 1)
    monkeypatch.setattr(uploaded, "MOST_CSV_LINES", 1)
    for form, content in (("voc", zipped(files)), ("csv", io.BytesIO(b"image,x0,y0,x1,y1\na.jpg,1,1,2,2\n"))):
        with pytest.raises(SamfleetError) as caught:
            count_uploaded(content, form, LIMITS, MOST)  # type: ignore[arg-type]
        assert caught.value.code == "prompts_too_large"


def names_of(files: Mapping[str, str], images: list[str]) -> dict[str, list[object]]:
    """Return the categories of the objects of each image."""
    with converted(zipped(files), "yolo", images, LIMITS, MOST) as lines:
        found = [json.loads(line) for line in lines]
    return {one["file_name"]: [box.get("category", box.get("category_id")) for box in one["objects"]] for one in found}


ONE_BOX = "1 0.5 0.5 0.25 0.25"
MARK = "\ufeff"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"labels/a.txt": ONE_BOX, "labels/b.txt": "", "classes.txt": f"{MARK}lid\r\njar\r\n"},
            {"a.jpg": ["jar"], "b.jpg": []},
        ),
        (
            {"obj_train_data/a.TXT": MARK + ONE_BOX, "train.txt": "data/a.jpg\ndata/b.jpg\n", "obj.names": "lid\njar"},
            {"a.jpg": ["jar"]},
        ),
        (
            {
                "train/labels/a.txt": ONE_BOX,
                "data.yaml": f"{MARK}names: [no, yes]\nnc: 2",
                "README.dataset.txt": "# Jars\n",
            },
            {"a.jpg": ["yes"]},
        ),
        ({"x/labels/a.txt": ONE_BOX, "x/labels/classes.txt": "lid\njar", "x/images/a.jpg": ""}, {"a.jpg": ["jar"]}),
        ({"a.txt": ONE_BOX, "__MACOSX/._a.txt": "\0\1", "labels/._b.txt": "\0", ".git/c.txt": "x"}, {"a.jpg": [1]}),
        ({"readme.txt": ONE_BOX}, {"readme.jpg": [1]}),
    ],
)
def test_yolo_folders_as_tools_write_them(files: dict[str, str], expected: dict[str, list[object]]) -> None:
    assert names_of(files, ["a.jpg", "b.jpg", "readme.jpg"]) == expected


@pytest.mark.parametrize(
    ("form", "content", "code", "message"),
    [
        ("yolo", zipped({"a.txt": "0 310 204 60 40"}), "prompts_invalid", "coordinate 280, but they are fractions"),
        ("yolo", zipped({"a.txt": "0 0.5 0.5 -0.1 0.1"}), "prompts_invalid", "x0 <= x1"),
        ("yolo", zipped({"a.txt": "0 0.5 0.5 1e999 0.1"}), "prompts_invalid", "objects[0]"),
        (
            "yolo",
            zipped({"a.txt": "0 0.5 0.5 0.1 0.1", "data.yaml": "names: jar"}),
            "labels_unreadable",
            "a list or a mapping",
        ),
        ("yolo", io.BytesIO(b""), "archive_invalid", "is broken"),
        ("yolo", zipped({"a.txt": ""}), "labels_unreadable", "has no boxes"),
        ("yolo", zipped({"a.txt": "0 0.5 0.5 0.1 0.1\n" * 20_000}), "prompts_too_large", "more than 10000 labels"),
        ("csv", io.BytesIO(b""), "labels_unreadable", "has the columns (none)"),
        ("csv", io.BytesIO(b"image,x0,y0,x1,y1\n,1,1,2,2\n"), "labels_unreadable", "line 2 has no image"),
        ("csv", io.BytesIO("image,x0,y0,x1,y1\n".encode("utf-16")), "labels_unreadable", "is not CSV in UTF-8"),
        ("csv", io.BytesIO(b"image,x0,y0,x1,y1\na.jpg,1,1\n"), "labels_unreadable", "are not numbers"),
        ("csv", io.BytesIO(b"image,image,x0,y0,x1,y1\n"), "labels_unreadable", "the column image twice"),
        ("voc", zipped({"a.xml": ""}), "labels_unreadable", "is not XML"),
        ("fiftyone", io.BytesIO(b"[" * 100_000), "labels_unreadable", "samples.json"),
        ("label_studio", io.BytesIO(b"[" * 100_000), "labels_unreadable", "nested too deeply"),
        ("label_studio", io.BytesIO("[]".encode("utf-16")), "labels_unreadable", "is not UTF-8"),
        ("coco", io.BytesIO(b'{"images": ' + b"[" * 100_000), "labels_unreadable", "nested too deeply"),
    ],
)
def test_faults_of_labels_have_a_code_and_a_sentence(
    form: LabelFormat, content: IO[bytes], code: str, message: str
) -> None:
    content.seek(0)
    with pytest.raises(SamfleetError) as caught:
        count_uploaded(content, form, LIMITS, MOST)
    assert (caught.value.code, message in caught.value.message) == (code, True), caught.value.message


@pytest.mark.parametrize("mark", [";", "\t"])
def test_csv_of_excel_may_have_semicolons_or_tabs(mark: str) -> None:
    text = "\n".join(line.replace(",", mark) for line in ("image,x0,y0,x1,y1,label", "a.jpg,1,1,2,2,jar"))
    with converted(io.BytesIO(text.encode()), "csv", ["a.jpg"], LIMITS, MOST) as lines:
        (line,) = map(json.loads, lines)
    assert line["objects"] == [{"id": 1, "category": "jar", "box": [1, 1, 2, 2]}]


def test_exports_in_json_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    for form in ("fiftyone", "label_studio", "coco"):
        (tmp_path / form).mkdir()
        content = packed_labels(form, WRITERS[form](tmp_path / form)).read()
        assert count_uploaded(io.BytesIO(MARK.encode() + content), form, LIMITS, MOST) == 3


def test_a_coco_file_has_the_limits_of_this_server() -> None:
    image, box = {"id": 1, "file_name": "a.jpg"}, {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}
    content = {"images": [image], "annotations": [{"id": number, **box} for number in range(10_001)]}
    data = json.dumps(content).encode()
    assert count_uploaded(io.BytesIO(data), "coco", AnnotationLimits(objects=20_000), MOST) == 10_001
    with pytest.raises(SamfleetError, match="more than 10000 labels") as caught:
        count_uploaded(io.BytesIO(data), "coco", LIMITS, MOST)
    assert caught.value.code == "prompts_too_large"
