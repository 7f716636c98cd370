"""Read a YOLO folder with supervision: `python read_yolo.py FOLDER`, with `images/`, `labels/` and `data.yaml`.

It runs under the tools' own Python and imports nothing of ours. Writes the classes, and of each image the masks as
flat indices of their pixels.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import supervision

folder = Path(sys.argv[1])
dataset = supervision.DetectionDataset.from_yolo(
    str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml"), force_masks=True
)
found = {}
for path, _, detections in dataset:
    masks = detections.mask if detections.mask is not None else []
    found[Path(path).name] = [mask.ravel().nonzero()[0].tolist() for mask in masks]
written = {"version": supervision.__version__, "classes": dataset.classes, "images": found}
sys.stdout.write(json.dumps(written) + "\n")
