"""Datasets of a survey: samples of images, and annotations with one box per image."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samfleet.client.local_source import Source
from samfleet.datasets.annotation_entries import Annotation
from samfleet.datasets.annotations import CocoInstances, read_annotations
from samfleet.datasets.folder_walk import FoundImage
from samfleet.datasets.matching import match_names
from samfleet.errors import InvalidInput
from samfleet.files import write_json
from samfleet.regular_files import open_regular
from samfleet_cli.survey.detections import prepare_detections
from samfleet_cli.survey.plan import DatasetSpec
from samfleet_cli.survey.tasks import DETECTORS, Shape

ANNOTATIONS_FILE = "annotations.json"


class SurveyDatasetIncomplete(InvalidInput):
    """The dataset lacks the annotations or detections that a task of the plan needs."""

    code = "survey_dataset_incomplete"


@dataclass(frozen=True, slots=True)
class DatasetKey:
    """Identity of a dataset within a survey."""

    name: str
    shape: Shape
    limit: int | None

    def __str__(self) -> str:
        words = [self.name] if self.shape in {"images", "annotations"} else [self.name, self.shape.replace("_", " ")]
        return ", ".join([*words, *([f"{self.limit} images"] if self.limit else [])])


def prepare_dataset(spec: DatasetSpec, key: DatasetKey, folder: Path) -> Source:
    """Return the images of a dataset with the files for its tasks.

    A sample of a folder is linked into `folder`, or copied from another file system. Preparing it again gives the same
    images. Raises `SurveyDatasetIncomplete`.
    """
    folder_of_images = _images(spec, key)
    annotations = _annotations(spec, key)
    detections = _detections(spec, key, annotations, folder)
    if key.shape != "one_box" and key.limit is None:
        return Source(folder_of_images, annotations, detections=detections, name=str(key))
    found = [image for image in Source(folder_of_images).files().images() if image.fault is None]
    if key.shape != "one_box":
        images = _link(_sample(found, key.limit, spec.seed), folder)
        return Source(images, annotations, detections=detections, name=str(key))
    coco = _read(annotations)
    largest = _largest(coco, match_names([image.name for image in found], coco.image_ids, coco.originals))
    chosen = _sample([image for image in found if image.name in largest], key.limit, spec.seed)
    write_json(folder / ANNOTATIONS_FILE, _one_box_file(coco, chosen, largest))
    return Source(_link(chosen, folder), folder / ANNOTATIONS_FILE, name=str(key))


def _images(spec: DatasetSpec, key: DatasetKey) -> Path:
    if spec.images is None or not spec.images.is_dir():
        raise SurveyDatasetIncomplete(f"dataset {key.name} of the plan: {spec.images} is no folder of images")
    return spec.images


def _annotations(spec: DatasetSpec, key: DatasetKey) -> Path | None:
    if key.shape == "images":
        return None
    if spec.annotations is None and key.shape == "one_box":
        raise SurveyDatasetIncomplete(f"dataset {key.name} of the plan has no annotations; single boxes need them")
    return spec.annotations


def _detections(spec: DatasetSpec, key: DatasetKey, annotations: Path | None, folder: Path) -> Path | None:
    if key.shape not in DETECTORS:
        return None
    path = next((path for name, path in spec.detections.items() if name == key.shape), None)
    if path is None:
        raise SurveyDatasetIncomplete(f"dataset {key.name} of the plan has no detections of {key.shape}; add the file")
    return path if annotations is None else prepare_detections(path, _read(annotations), folder)


def _read(path: Path | None) -> CocoInstances:
    if path is None:
        raise SurveyDatasetIncomplete
    return read_annotations(lambda: open_regular(path))


def _sample(images: Sequence[FoundImage], limit: int | None, seed: int) -> list[FoundImage]:
    """Return `limit` images in their order, the same ones on every machine."""
    if limit is None or limit >= len(images):
        return list(images)
    drawn = sorted(images, key=lambda image: hashlib.sha256(f"{seed}:{image.name}".encode()).digest())
    chosen = {image.name for image in drawn[:limit]}
    return [image for image in images if image.name in chosen]


def _link(images: Sequence[FoundImage], folder: Path) -> Path:
    root = folder / "images"
    for image in images:
        path = root / image.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        try:
            os.link(image.path, path)
        except OSError:  # another file system, or one without links
            shutil.copyfile(image.path, path)
    return root


def _largest(coco: CocoInstances, matched: dict[str, int]) -> dict[str, Annotation]:
    """Return the largest annotated object by image name; crowds and boxes without a mask do not count."""
    names = {image_id: name for name, image_id in matched.items()}
    found: dict[str, Annotation] = {}
    for annotation in coco.annotations():
        name = names.get(annotation.image_id)
        if name is None or annotation.iscrowd or not annotation.segmentation:
            continue
        if name not in found or annotation.area > found[name].area:
            found[name] = annotation
    return found


def _one_box_file(coco: CocoInstances, images: Sequence[FoundImage], largest: dict[str, Annotation]) -> dict[str, Any]:
    chosen = [largest[image.name] for image in images]
    return {
        "images": [
            {"id": one.image_id, "file_name": image.name, **_size(coco, one.image_id)}
            for image, one in zip(images, chosen, strict=True)
        ],
        "annotations": [
            {
                "id": one.annotation_id,
                "image_id": one.image_id,
                "category_id": one.category_id,
                "bbox": list(one.bbox),
                "area": one.area,
                "iscrowd": 0,
                "segmentation": one.segmentation,
            }
            for one in chosen
        ],
        "categories": list(coco.categories),
    }


def _size(coco: CocoInstances, image_id: int) -> dict[str, int]:
    size = coco.sizes.get(image_id)
    return {"height": size[0], "width": size[1]} if size else {}
