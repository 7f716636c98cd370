"""Read an export with the library of its tool: `python read_exports.py FORMAT FOLDER`.

FOLDER has the members of the zip or `export.*`, and the pictures in `images/`. It runs under the tools' own Python and
imports nothing of ours. Writes the library, of each image the masks in order as COCO's compressed counts and, if the
format has a place for them, the id and the metadata of the manifest.
"""

from __future__ import annotations

import csv
import importlib
import importlib.metadata
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

Masks = dict[str, list[str]]  # by the stem of the image's name


def counts(bits: Any) -> str:
    packed: str = coco_mask.encode(np.asfortranarray(bits, dtype=np.uint8))["counts"].decode()
    return packed


def united(drawn: Iterable[tuple[str, Any]]) -> list[str]:
    """Join the masks [height, width] that have the same name."""
    found: dict[str, Any] = {}
    for name, bits in drawn:
        found[name] = found[name] | bits if name in found else bits
    return [counts(bits) for bits in found.values()]


def by_pycocotools(folder: Path) -> Masks:
    from pycocotools.coco import COCO

    return _of_coco(COCO(str(folder / "export.json")))


def results_by_pycocotools(folder: Path) -> Masks:
    from PIL import Image
    from pycocotools.coco import COCO

    truth = COCO()
    pictures = [(path, Image.open(path)) for path in sorted((folder / "images").iterdir())]
    images = [{"id": int(path.stem), "width": one.width, "height": one.height} for path, one in pictures]
    truth.dataset = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "object"}]}
    truth.createIndex()
    return _of_coco(truth.loadRes(str(folder / "export.json")))


def pair_by_pycocotools(folder: Path) -> Masks:
    """Load results with the dataset that is in the same zip."""
    from pycocotools.coco import COCO

    return _of_coco(COCO(str(folder / "dataset.json")).loadRes(str(folder / "results.json")))


def _of_coco(loaded: Any) -> Masks:
    return {
        str(number): [counts(loaded.annToMask(one)) for one in loaded.loadAnns(loaded.getAnnIds(imgIds=[number]))]
        for number in loaded.getImgIds()
    }


def lines_by_pycocotools(folder: Path) -> Masks:
    found = {}
    for line in (folder / "export.jsonl").read_text().splitlines():
        row = json.loads(line)
        found[str(row["image_id"])] = [counts(coco_mask.decode(mask["segmentation"])) for mask in row["masks"]]
    return found


def by_supervision(folder: Path) -> Masks:
    import supervision

    dataset = supervision.DetectionDataset.from_yolo(
        str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml"), force_masks=True
    )
    return {
        Path(path).stem: [counts(mask) for mask in (found.mask if found.mask is not None else [])]
        for path, _, found in dataset
    }


def labelme_by_pillow(folder: Path) -> Masks:
    """Draw polygons as `labelme.utils.shape_to_mask` does; labelme itself needs Qt."""
    from PIL import Image, ImageDraw

    found = {}
    for path in folder.glob("[0-9]*.json"):
        document = json.loads(path.read_text())

        def drawn(shape: dict[str, Any], size: tuple[int, int]) -> Any:
            picture = Image.new("L", size, 0)
            ImageDraw.Draw(picture).polygon([tuple(point) for point in shape["points"]], outline=1, fill=1)
            return np.asarray(picture) > 0

        size = document["imageWidth"], document["imageHeight"]
        found[path.stem] = united((str(shape["group_id"]), drawn(shape, size)) for shape in document["shapes"])
    return found


def sa1b_by_datumaro(folder: Path) -> Masks:
    return _counted(_of_datumaro(folder / "annotations", "segment_anything"))


def cvat_by_datumaro(folder: Path) -> Masks:
    return _counted(_of_datumaro(folder, "cvat"))


def voc_by_datumaro(folder: Path) -> Masks:
    """Order the masks by their values, of which 0 is the background."""
    found = {}
    for name, masks in _of_datumaro(folder, "voc_instance_segmentation"):
        objects = sorted((int(one.index), counts(one.image)) for one in masks if one.index)
        found[name] = [mask for _, mask in objects]
    return found


def _counted(items: Iterable[tuple[str, list[Any]]]) -> Masks:
    return {name: [counts(one.image) for one in masks] for name, masks in items}


def _of_datumaro(folder: Path, form: str) -> Iterable[tuple[str, list[Any]]]:
    import datumaro

    for item in datumaro.Dataset.import_from(str(folder), form):
        masks = [one for one in item.annotations if one.type is datumaro.AnnotationType.mask]
        yield Path(item.id).stem, masks


def by_fiftyone(folder: Path) -> Masks:
    """Read the folder by FiftyOne's importer only; its datasets need a MongoDB."""
    from fiftyone.utils.coco import COCODetectionDatasetImporter

    (folder / "images").rename(folder / "data")
    found = {}
    with COCODetectionDatasetImporter(dataset_dir=str(folder), label_types="segmentations") as importer:
        for path, metadata, label in importer:
            masks = []
            for one in label.detections if label else []:
                bits = np.zeros((metadata.height, metadata.width), np.bool_)
                left = round(one.bounding_box[0] * metadata.width)
                top = round(one.bounding_box[1] * metadata.height)
                height, width = one.mask.shape
                bits[top : top + height, left : left + width] = one.mask
                masks.append(counts(bits))
            found[Path(path).stem] = masks
    return found


def label_maps_by_opencv(folder: Path) -> Masks:
    import cv2

    found = {}
    for path in (folder / "labels").glob("*.png"):
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        with path.with_suffix(".csv").open() as file:
            found[path.stem] = [counts(values == int(row["value"])) for row in csv.DictReader(file)]
    return found


def masks_by_opencv(folder: Path) -> Masks:
    import cv2

    found = {}
    for path in (folder / "masks").glob("*/metadata.csv"):
        with path.open() as file:
            names = [f"{row['id']}.png" for row in csv.DictReader(file)]
        found[path.parent.name] = [
            counts(cv2.imread(str(path.parent / name), cv2.IMREAD_UNCHANGED) > 0) for name in names
        ]
    return found


def brushes_by_label_studio(folder: Path) -> Masks:
    from label_studio_sdk.converter.brush import decode_rle

    def decoded(region: dict[str, Any]) -> Any:
        size = region["original_height"], region["original_width"], 4
        return np.reshape(decode_rle(region["value"]["rle"]), size)[:, :, 3] > 0

    return _of_tasks(folder, decoded)


def polygons_by_pycocotools(folder: Path) -> Masks:
    def decoded(region: dict[str, Any]) -> Any:
        height, width = region["original_height"], region["original_width"]
        ring = np.array(region["value"]["points"]) / 100 * (width, height)
        return coco_mask.decode(coco_mask.frPyObjects([ring.ravel().tolist()], height, width))[:, :, 0] > 0

    return _of_tasks(folder, decoded)


def _of_tasks(folder: Path, decoded: Callable[[dict[str, Any]], Any]) -> Masks:
    tasks = json.loads((folder / "export.json").read_text())
    return {
        Path(task["data"]["image"]).stem: united(
            (region["id"].partition("-")[0], decoded(region)) for region in task["predictions"][0]["result"]
        )
        for task in tasks
    }


def by_shapely(folder: Path) -> Masks:
    import shapely
    from shapely.geometry import shape

    found = {}
    for path in folder.glob("*.geojson"):
        document = json.loads(path.read_text())
        height, width = document["image"]["height"], document["image"]["width"]
        ys, xs = np.mgrid[:height, :width] + 0.5
        shapes = [shape(feature["geometry"]) for feature in document["features"]]
        shapely.prepare(shapes)
        found[path.stem] = [counts(shapely.contains_xy(one, xs, ys)) for one in shapes]
    return found


def by_pyogrio(folder: Path) -> Masks:
    """Read layers with GDAL, and take the pixels whose middle lies in a polygon. `place.txt` has the transform."""
    import pyogrio.raw
    import shapely
    from PIL import Image

    a, _, c, _, e, f = map(float, (folder / "place.txt").read_text().split())
    found = {}
    for path in folder.glob("*.gpkg"):
        with Image.open(folder / "images" / f"{path.stem}.png") as picture:
            width, height = picture.size
        ys, xs = np.mgrid[:height, :width] + 0.5
        _, _, geometry, _ = pyogrio.raw.read(path, layer="masks")
        shapes = shapely.from_wkb(geometry)
        shapely.prepare(shapes)
        found[path.stem] = [counts(shapely.contains_xy(one, a * xs + c, e * ys + f)) for one in shapes]
    return found


def by_pyarrow(folder: Path) -> Masks:
    from pyarrow.parquet import read_table

    found = defaultdict(list)
    for row in read_table(folder / "export.parquet").to_pylist():
        mask = {"size": [row["height"], row["width"]], "counts": row["rle"]}
        found[Path(row["file_name"]).stem].append(counts(coco_mask.decode(mask)))
    return found


READERS: dict[str, tuple[str, Callable[[Path], Masks]]] = {
    "coco": ("pycocotools", results_by_pycocotools),
    "coco_pair": ("pycocotools", pair_by_pycocotools),
    "instances": ("pycocotools", by_pycocotools),
    "coco_polygons": ("pycocotools", by_pycocotools),
    "jsonl": ("pycocotools", lines_by_pycocotools),
    "yolo": ("supervision", by_supervision),
    "labelme": ("pillow", labelme_by_pillow),
    "sa1b": ("datumaro", sa1b_by_datumaro),
    "png": ("opencv", label_maps_by_opencv),
    "png_masks": ("opencv", masks_by_opencv),
    "cvat": ("datumaro", cvat_by_datumaro),
    "label_studio": ("label-studio-sdk", brushes_by_label_studio),
    "label_studio_polygons": ("pycocotools", polygons_by_pycocotools),
    "voc": ("datumaro", voc_by_datumaro),
    "geojson": ("shapely", by_shapely),
    "gpkg": ("pyogrio", by_pyogrio),
    "parquet": ("pyarrow", by_pyarrow),
    "fiftyone": ("fiftyone", by_fiftyone),
}

if __name__ == "__main__":
    form, folder = sys.argv[1:]
    library, read = READERS[form]
    images = read(Path(folder))
    # Two distributions bring OpenCV, so its version is the module's.
    version = importlib.import_module("cv2").__version__ if library == "opencv" else importlib.metadata.version(library)
    stated = importlib.import_module("read_stated").stated_in(form, Path(folder))
    sys.stdout.write("\n" + json.dumps({"library": f"{library} {version}", "images": images, "stated": stated}) + "\n")
