"""Local files whose frames become images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.api.api_double import ApiDouble, dataset, image, page
from fixtures.api.folder_uploads import UPLOAD, folder
from samfleet.client.create_dataset import create_dataset
from samfleet.client.local_source import Source
from samfleet.client.server_sources import SourceNotSupported

__all__ = ["folder"]

FRAMES = {"frames": {"every_seconds": 2.0}}
CLIP = [image(number, f"clip.mp4/{number:06}.png") for number in (0, 50)]


def test_files_that_are_images_only_as_frames_need_a_choice(folder: Path) -> None:
    (folder / "clip.mp4").write_bytes(b"123")
    assert [file.name for file in Source(folder).files().images()] == ["a/z.png", "b.JPG"]
    framed = Source(folder, limit=1, frames=FRAMES).files()
    assert [file.name for file in framed.images()] == ["a/z.png", "b.JPG", "clip.mp4"]
    assert Source(folder / "clip.mp4", frames=FRAMES).files().count == 1
    with pytest.raises(SourceNotSupported, match="only with a choice of its frames"):
        Source(folder / "clip.mp4").files()
    with pytest.raises(SourceNotSupported, match=r"\.mp4"):
        Source(folder / "a" / "notes.txt", frames=FRAMES).files()


@pytest.mark.parametrize(
    ("images", "same"),
    [
        ([image(0, "a/z.png"), image(1, "b.JPG"), *CLIP], True),
        ([image(0, "a/z.png"), image(1, "b.JPG")], True),  # no frame of the video was chosen
        ([image(0, "a/z.png"), *CLIP], False),
        ([image(0, "a/z.png"), image(1, "b.JPG"), image(2, "clip.mp4/000000.png", size_bytes=9)], False),
        ([image(0, "a/z.png"), image(1, "b.JPG"), image(2, "other.mp4/000000.png")], False),
    ],
)
def test_frames_that_the_server_lists_are_those_of_the_folder(
    folder: Path, images: list[dict[str, Any]], same: bool
) -> None:
    (folder / "clip.mp4").write_bytes(b"123")
    answers = {"GET /v1/datasets/d1/images": page(*images), **UPLOAD}
    api = ApiDouble({"POST /v1/datasets": [dataset(), dataset(id="u1", state="open")], **answers})
    assert create_dataset(api.client(), Source(folder, frames=FRAMES)).id == ("d1" if same else "u1")
    assert api.body(0)["frames"] == FRAMES["frames"]
    if not same:
        assert next(json.loads(one.content) for one in api.requests if b'"upload"' in one.content) == {
            "source": "upload", "name": "photos", **FRAMES,
            "left_out": [{"reason": "other", "count": 1, "examples": ["a/notes.txt"]}],
        }  # fmt: skip
        assert api.uploaded_names() == ["a/z.png", "b.JPG", "clip.mp4"]
