"""Box prompts of photographs, from the annotations of a COCO folder."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.cases import Box, BoxedImage, Case


class BoxesUnavailable(Exception):
    """The folder of --boxes has no boxes: it needs `instances.json` and the images in `images/`."""


def boxes_case(folder: Path, most_images: int) -> Case:
    """Return the case of the boxes of the first `most_images` annotated images; crowds have no box prompt."""
    file = folder / "instances.json"
    if not file.is_file():
        raise BoxesUnavailable(f"{file} does not exist; --boxes takes a folder with `instances.json` and `images/`")
    dataset = json.loads(file.read_text())
    boxes = _boxes_by_image(dataset["annotations"])
    annotated = [image for image in dataset["images"] if image["id"] in boxes][:most_images]
    found = [(folder / "images" / image["file_name"], boxes[image["id"]]) for image in annotated]
    missing = [str(path) for path, _ in found if not path.is_file()]
    if missing or not found:
        raise BoxesUnavailable(f"{', '.join(missing) or 'boxes of images'} not found in {folder}")
    boxed = tuple(BoxedImage(str(path.resolve()), tuple(own)) for path, own in found)
    return Case("boxes", sum(len(one.boxes) for one in boxed), boxed[0].image, boxed)


def _boxes_by_image(annotations: list[dict[str, Any]]) -> dict[int, list[Box]]:
    found: dict[int, list[Box]] = defaultdict(list)
    for annotation in annotations:
        if not annotation.get("iscrowd"):
            x, y, width, height = annotation["bbox"]
            found[annotation["image_id"]].append((x, y, x + width, y + height))
    return found
