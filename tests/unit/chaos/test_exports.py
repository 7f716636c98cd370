from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from chaos.suite.exports import differences, wrong_sizes


def write(folder: Path, *lines: dict[str, object]) -> None:
    (folder / "any.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def line(name: str, width: int, height: int, mask: tuple[int, int]) -> dict[str, object]:
    masks = [{"segmentation": {"size": [mask[1], mask[0]], "counts": "0"}}]
    return {"file_name": name, "width": width, "height": height, "masks": masks}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    Image.new("RGB", (60, 72)).save(tmp_path / "a.png")
    Image.new("RGB", (48, 92)).save(tmp_path / "b.png")
    return tmp_path


def test_right_sizes_are_no_fault(pictures: Path, tmp_path: Path) -> None:
    write(tmp_path, line("a.png", 60, 72, (60, 72)), line("b.png", 48, 92, (48, 92)))
    assert list(wrong_sizes(tmp_path, pictures)) == []


def test_the_reply_of_a_neighbour_is_found(pictures: Path, tmp_path: Path) -> None:
    write(tmp_path, line("a.png", 48, 92, (48, 92)), line("b.png", 48, 92, (60, 72)))
    first, second = wrong_sizes(tmp_path, pictures)
    assert first == "exports: a.png is (60, 72) in the file and [(48, 92)] in any.jsonl"
    assert second == "exports: b.png is (48, 92) in the file and [(60, 72)] in any.jsonl"


def test_other_bytes_and_missing_exports_are_found() -> None:
    assert list(differences({"a": "1", "b": "2"}, {"a": "1"})) == [
        "exports: b differs from the undisturbed one: None, not 2"
    ]
