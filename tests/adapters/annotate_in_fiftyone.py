"""Apply our model to the images of a folder by FiftyOne: `python -m adapters.annotate_in_fiftyone FOLDER`.

It runs under the tools' own Python, which has `fiftyone` and our `samfleet_fiftyone`. FiftyOne keeps datasets in
MongoDB, for which mongomock stands in; the rest is FiftyOne's own code. Wishes, JSON in stdin, are `model`, the
arguments of the model, `prompts`, the boxes or points of a field, and `apply`, those of `apply_model`. Writes the
detections of each image, with COCO's compressed `counts`, or the error.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import mongoengine
import mongomock
import numpy as np
import pymongo
from mongomock.store import ServerStore
from pycocotools import mask as coco_mask

from samfleet.errors import SamfleetError

STORE = ServerStore()
ADDRESS = "mongodb://localhost"
SETTINGS = {
    "DATABASE_URI": ADDRESS,
    "DATABASE_VALIDATION": "false",
    "DISABLE_SERVICES": "1",
    "DO_NOT_TRACK": "1",
    "SHOW_PROGRESS_BARS": "false",  # they go to stdout
}


class InMemory(mongomock.MongoClient):  # type: ignore[misc]  # mongomock has no types
    """Client of one store for the whole process."""

    _closed = False  # FiftyOne reads it; mongomock would take it for the name of a database

    def __init__(self, *arguments: Any, appname: str | None = None, **options: Any) -> None:
        del appname
        super().__init__(*arguments, **{**options, "_store": STORE})


def fiftyone_in_memory() -> Any:
    """Import FiftyOne so that it connects to databases in memory."""
    os.environ.update({f"FIFTYONE_{name}": value for name, value in SETTINGS.items()})
    connect = mongoengine.connect
    pymongo.MongoClient = InMemory
    mongoengine.connect = lambda name, **_options: connect(name, host=ADDRESS, mongo_client_class=InMemory)
    import fiftyone

    return fiftyone


def annotated(folder: Path, wishes: dict[str, Any]) -> dict[str, Any]:
    fiftyone = fiftyone_in_memory()
    from samfleet_fiftyone import SamfleetModel

    dataset = fiftyone.Dataset("photographs")
    prompts = prompts_of(fiftyone, wishes["prompts"])
    dataset.add_samples([fiftyone.Sample(filepath=str(path), **prompts) for path in sorted(folder.iterdir())])
    try:
        dataset.apply_model(SamfleetModel(**wishes["model"]), label_field="masks", **wishes["apply"])
    except SamfleetError as error:
        return {"error": error.code}
    return {
        Path(sample.filepath).name: [readable(one, sample) for one in sample.masks.detections] for sample in dataset
    }


def prompts_of(fiftyone: Any, wished: dict[str, Any] | None) -> dict[str, Any]:
    """Return the field `prompts` of every sample, with boxes or points."""
    if not wished:
        return {}
    boxes = [fiftyone.Detection(label=label, bounding_box=box) for label, box in wished.get("boxes", ())]
    points = [
        fiftyone.Keypoint(label=label, points=np.array(points, float)) for label, points in wished.get("points", ())
    ]
    return {"prompts": fiftyone.Detections(detections=boxes) if boxes else fiftyone.Keypoints(keypoints=points)}


def readable(one: Any, sample: Any) -> dict[str, Any]:
    from PIL import Image

    with Image.open(sample.filepath) as image:
        bits = np.zeros((image.height, image.width), np.bool_)
        left, top = round(one.bounding_box[0] * image.width), round(one.bounding_box[1] * image.height)
    height, width = one.mask.shape
    bits[top : top + height, left : left + width] = one.mask
    counts = coco_mask.encode(np.asfortranarray(bits, dtype=np.uint8))["counts"].decode()
    return {"label": one.label, "confidence": one.confidence, "counts": counts}


if __name__ == "__main__":
    found = annotated(Path(sys.argv[1]), json.load(sys.stdin))
    sys.stdout.write("\n" + json.dumps(found))
