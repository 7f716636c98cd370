"""Detections: boxes found by a detector, as COCO results. They are the prompts of the sampler `object_aware`.

The format is that of `COCO.loadRes` (cocoapi, PythonAPI/pycocotools/coco.py): a list of {image_id, category_id, bbox,
score}; other members are ignored. Detection ids are 1, 2, 3, … in the order of the list, as in `loadRes`.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import IO, Any

from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.json_array import JsonArrayInvalid, iter_json_array
from samfleet.datasets.segmentation import is_number
from samfleet.errors import InvalidInput, TooLarge

MAX_ID = 2**62  # as for annotations
BOX_NUMBERS = 4


class DetectionsInvalid(InvalidInput):
    """The detections are not a valid list of COCO results."""

    code = "detections_invalid"


class DetectionsTooLarge(TooLarge):
    """The detections file is larger than this server accepts."""

    code = "detections_too_large"


class DetectionsNotFound(InvalidInput):
    """The detections file does not exist on the server."""

    code = "detections_not_found"


@dataclass(frozen=True, slots=True)
class Detection:
    """A detected box: `bbox` is (x, y, width, height) in pixels, `score` the detector's confidence in its own scale."""

    detection_id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True, slots=True)
class Detections:
    """Detections stored in columns, at 64 bytes each: a large dataset has millions."""

    ids: Sequence[int]
    image_ids: Sequence[int]
    category_ids: Sequence[int]
    boxes: Sequence[float]  # flat: x, y, width, height of each detection
    scores: Sequence[float]

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Detection]:
        for row, ids in enumerate(zip(self.ids, self.image_ids, self.category_ids, strict=True)):
            x, y, width, height = self.boxes[BOX_NUMBERS * row : BOX_NUMBERS * (row + 1)]
            yield Detection(*ids, (x, y, width, height), self.scores[row])

    def of_images(self, image_ids: Collection[int], others: Collection[int] | None = ()) -> Detections:
        """Return the detections of these images.

        Detections of images in `others` are dropped; None means all other images. Raises `DetectionsInvalid` for an
        image in neither, and if there are detections but none is of these images.
        """
        wanted = [image_id in image_ids for image_id in self.image_ids]
        if others is not None:
            for row, image_id in enumerate(self.image_ids):
                if not wanted[row] and image_id not in others:
                    raise _unknown_image(row, image_id)
        if self.ids and not any(wanted):
            raise _unknown_image(0, self.image_ids[0])
        four_times = (here for here in wanted for _ in range(BOX_NUMBERS))
        return Detections(
            array("q", compress(self.ids, wanted)),
            array("q", compress(self.image_ids, wanted)),
            array("q", compress(self.category_ids, wanted)),
            array("d", compress(self.boxes, four_times)),
            array("d", compress(self.scores, wanted)),
        )


def read_detections(file: IO[bytes], limits: AnnotationLimits | None = None) -> Detections:
    """Read and validate the file entry by entry, without loading it as a whole; an error names the entry."""
    ids, images, categories = array("q"), array("q"), array("q")
    boxes, scores = array("d"), array("d")
    limits, of_image = limits or AnnotationLimits(), Counter[int]()
    try:
        for index, entry in enumerate(iter_json_array(file)):
            detection = _read_detection(entry, index)
            of_image[detection.image_id] += 1
            _bound(index, detection, of_image, limits)
            ids.append(detection.detection_id)
            images.append(detection.image_id)
            categories.append(detection.category_id)
            boxes.extend(detection.bbox)
            scores.append(detection.score)
    except JsonArrayInvalid as error:
        raise DetectionsInvalid(
            f"the detections file {error}; give a list of COCO results, {{image_id, category_id, bbox, score}}"
        ) from error
    return Detections(ids, images, categories, boxes, scores)


def _bound(index: int, detection: Detection, of_image: Counter[int], limits: AnnotationLimits) -> None:
    if index >= limits.entries:
        raise DetectionsTooLarge(
            f"the file has more than {index} detections; split it, or raise SAMFLEET_MAX_ANNOTATIONS"
        )
    if of_image[detection.image_id] > limits.objects:
        raise DetectionsTooLarge(
            f"detections[{index}]: image_id {detection.image_id} has more than {limits.objects} detections; "
            "keep those with the highest scores, or raise SAMFLEET_MAX_OBJECTS_PER_IMAGE"
        )


def _read_detection(entry: Any, index: int) -> Detection:
    where = f"detections[{index}]"
    if not isinstance(entry, dict):
        raise DetectionsInvalid(f"{where} must be an object with image_id, category_id, bbox and score")
    return Detection(
        detection_id=index + 1,
        image_id=_integer(entry, "image_id", where),
        category_id=_integer(entry, "category_id", where),
        bbox=_bbox(entry.get("bbox"), where),
        score=_score(entry.get("score"), where),
    )


def _integer(entry: dict[str, Any], name: str, where: str) -> int:
    value = entry.get(name)
    if type(value) is not int or not 0 <= value < MAX_ID:
        raise DetectionsInvalid(f"{where}: {name} must be a whole number, 0 or more")
    return value


def _bbox(value: Any, where: str) -> tuple[float, float, float, float]:
    if not isinstance(value, list) or len(value) != BOX_NUMBERS or not all(is_number(number) for number in value):
        raise DetectionsInvalid(f"{where}: bbox must be four numbers x, y, width, height")
    x, y, width, height = (float(number) for number in value)
    if width < 0 or height < 0:
        raise DetectionsInvalid(f"{where}: bbox has a negative width or height; it is x, y, width, height")
    return x, y, width, height


def _score(value: Any, where: str) -> float:
    if not is_number(value):
        raise DetectionsInvalid(f"{where}: score must be a number")
    return float(value)


def _unknown_image(row: int, image_id: int) -> DetectionsInvalid:
    return DetectionsInvalid(
        f"detections[{row}]: image_id {image_id} is not an image of this dataset; ids are those of the annotations "
        "file if there is one, else 1, 2, 3, … in the order of the file names"
    )
