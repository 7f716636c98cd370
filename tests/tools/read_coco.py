"""Read a COCO file with a third-party tool and write its contents as JSON: `python read_coco.py TOOL FILE IMAGES`.

It runs under the tools' own Python, which `make test-tools` sets up, and therefore imports nothing of ours. `boxes`
are x, y, width and height; objects are sorted by image and box, because each tool has another order.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any


def by_supervision(file: Path, images: Path) -> dict[str, Any]:
    import supervision

    dataset = supervision.DetectionDataset.from_coco(str(images), str(file))
    objects = []
    for path, _, found in dataset:
        for row, (left, top, right, bottom) in enumerate(found.xyxy.tolist()):
            pixels = int(found.mask[row].sum())
            name = dataset.classes[int(found.class_id[row])]
            objects.append([Path(path).name, name, [left, top, right - left, bottom - top], pixels])
    return {"categories": dataset.classes, "images": len(dataset), "objects": sorted(objects)}


def by_datumaro(file: Path, images: Path) -> dict[str, Any]:
    """Read the file with Datumaro, which CVAT uses for COCO files."""
    import datumaro

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "annotations").mkdir()
        shutil.copy(file, Path(folder) / "annotations" / "instances_default.json")
        shutil.copytree(images, Path(folder) / "images" / "default")
        dataset = datumaro.Dataset.import_from(folder, "coco_instances")
        names = [category.name for category in dataset.categories()[datumaro.AnnotationType.label]]
        objects = [
            [
                Path(item.media.path).name,
                names[one.label],
                [float(side) for side in one.get_bbox()],
                int(one.get_area()),
            ]
            for item in dataset
            for one in item.annotations
            if one.type is datumaro.AnnotationType.mask
        ]
        return {"categories": names, "images": len(dataset), "objects": sorted(objects)}


def by_fiftyone(file: Path, _images: Path) -> dict[str, Any]:
    """Read the file with FiftyOne's COCO reader only; its datasets need a MongoDB."""
    import fiftyone.utils.coco

    _, names, _, images, found = fiftyone.utils.coco.load_coco_detection_annotations(str(file))
    objects = []
    for image_id, entries in found.items():
        image = images[image_id]
        size = (image["width"], image["height"])
        for entry in entries:
            one = entry.to_detection(size, classes_map=names, load_segmentation=True)
            box = [round(part * size[axis % 2], 6) for axis, part in enumerate(one.bounding_box)]
            objects.append([image["file_name"], one.label, box, int(one.mask.sum())])
    return {"categories": list(names.values()), "images": len(images), "objects": sorted(objects)}


TOOLS = {"supervision": by_supervision, "datumaro": by_datumaro, "fiftyone": by_fiftyone}

if __name__ == "__main__":
    tool, file, images = sys.argv[1:]
    sys.stdout.write(json.dumps(TOOLS[tool](Path(file), Path(images))) + "\n")
