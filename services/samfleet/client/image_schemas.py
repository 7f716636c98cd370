"""One image of a run: its outcome, its masks, its annotations and its neighbours."""

from __future__ import annotations

from typing import Any

from samfleet.client.schemas import Resource


class ImageError(Resource):
    run_id: str
    image_id: int
    file_name: str
    code: str
    message: str
    stage: str | None = None


class RunImage(Resource):
    """An image in the list of a run. Figures that it does not have, or an older server does not send, are None."""

    image_id: int
    file_name: str
    outcome: str
    mask_count: int | None = None
    error_code: str | None = None
    image_ms: float | None = None
    predicted_iou: float | None = None
    iou: float | None = None


class ImageStage(Resource):
    """Time of a stage in milliseconds: this image's share, and that of its batch."""

    ms: float
    batch_ms: float | None = None


class ImageResult(Resource):
    """Result of one image in a run.

    `round_trip_ms` is the time from the request to Triton until its reply; None from an older server.
    """

    image_id: int
    file_name: str
    outcome: str
    stages: dict[str, ImageStage]
    masks: tuple[dict[str, Any], ...] = ()
    round_trip_ms: float | None = None
    batch_size: int | None = None
    warmup: bool | None = None
    peak_memory_bytes: int | None = None
    peak_reserved_bytes: int | None = None
    energy_j: float | None = None


class Annotation(Resource):
    """An annotation of an image, and the mask that fits it best.

    `segmentation` is COCO's compressed run lengths. `iou` (0 to 1), `mask_index` and `found` (IoU 0.5 or more) compare
    it with the masks of the run; they are None for a group (`iscrowd`).
    """

    annotation_id: int
    category_id: int
    category: str | None = None
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: bool = False
    segmentation: dict[str, Any]
    iou: float | None = None
    mask_index: int | None = None
    found: bool | None = None


class MaskMatch(Resource):
    """The annotation with which a mask agrees best, and their IoU; None without annotations."""

    iou: float | None = None
    annotation_id: int | None = None


class ImageAnnotations(Resource):
    """Annotations of an image, and a match for each of its masks. `annotated` is False if the dataset has none."""

    image_id: int
    annotated: bool
    annotations: tuple[Annotation, ...] = ()
    masks: tuple[MaskMatch, ...] = ()


class Neighbour(Resource):
    image_id: int
    file_name: str
    outcome: str


class ImageNeighbours(Resource):
    """Place of an image in its run, from 0, and the recorded images before and after it."""

    image_id: int
    position: int
    total: int
    previous: Neighbour | None = None
    next: Neighbour | None = None
