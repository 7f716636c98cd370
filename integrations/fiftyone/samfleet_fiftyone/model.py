from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import fiftyone
import numpy as np
from fiftyone.core.models import SamplesMixin
from numpy.typing import NDArray

from samfleet.client import Client, Prediction, SegmentResult
from samfleet_fiftyone.prompts import Prompted, prompts_of

logger = logging.getLogger(__name__)


class SamfleetModel(SamplesMixin, fiftyone.Model):  # type: ignore[misc]  # FiftyOne has no types
    """Segments images with one variant: all masks, or those of the prompts in a field of the samples.

    Images are uint8 [height, width, 3] in RGB, as FiftyOne reads them. `label` is that of detections without prompts
    and `task` has options of the task `everything`, such as `points_per_side=16`. `apply_model(…, prompt_field=…)`
    names a field with detections or key points; each gives a mask with its label. Masks without pixels are left out.
    Calls raise the errors of `samfleet.client`.
    """

    media_type = "image"
    ragged_batches = False  # images of a batch may have different sizes
    transforms = None
    preprocess = False
    config = None

    def __init__(
        self,
        variant: str,
        *,
        label: str = "object",
        pool: str | None = None,
        client: Client | None = None,
        **task: Any,
    ) -> None:
        super().__init__()
        self._client = client or Client()
        self._variant = variant
        self._label = label
        self._pool = pool
        self._task = {"kind": "everything", **task}

    def predict(self, arg: NDArray[np.uint8], sample: Any = None) -> fiftyone.Detections:
        """Return the masks of an image. Raises `JobFailed` if it cannot be segmented."""
        (found,) = self.predict_all([arg], None if sample is None else [sample])
        return found

    def predict_all(
        self, args: Iterable[NDArray[np.uint8]], samples: Iterable[Any] | None = None
    ) -> list[fiftyone.Detections]:
        """Return the masks of each image. Without prompts the images are one job, which is removed afterwards.

        An image of a job that cannot be segmented has no detections, and a warning in the log, so that the others of
        the batch keep theirs. Raises `JobFailed` if none can be segmented.
        """
        images = list(args)
        field = self.needs_fields.get("prompt_field")
        if field is not None and samples is not None:
            return [
                self._prompted(image, prompts_of(sample, field, image))
                for image, sample in zip(images, samples, strict=True)
            ]
        if not images:
            return []
        pools = [] if self._pool is None else [self._pool]
        made = self._client.segment(images, self._variant, task=self._task, pools=pools, keep=False)
        with made as results:
            return [self._everything(result) for result in results]

    def _everything(self, result: SegmentResult) -> fiftyone.Detections:
        if result.error:
            logger.warning("image %s of the batch: %s", result.file_name, result.error.message)
        return _detections(result, [self._label] * len(result))

    def _prompted(self, image: NDArray[np.uint8], prompted: Prompted) -> fiftyone.Detections:
        if not prompted.objects:
            return fiftyone.Detections()
        found = self._client.predict(image, self._variant, objects=prompted.objects, pool=self._pool)
        return _detections(
            found, [prompted.labels[int(record["object_id"])] or self._label for record in found.records]
        )


def _detections(found: SegmentResult | Prediction, labels: list[str]) -> fiftyone.Detections:
    masks = [_detection(found, index, labels[index]) for index, area in enumerate(found.areas) if area]
    return fiftyone.Detections(detections=masks)


def _detection(found: SegmentResult | Prediction, index: int, label: str) -> fiftyone.Detection:
    left, top, right, bottom = (int(side) for side in found.boxes[index])
    height, width = found.masks.shape[1:]
    box = np.array([left, top, right - left, bottom - top]) / [width, height, width, height]
    return fiftyone.Detection(
        label=label,
        bounding_box=box.tolist(),
        mask=found.masks[index, top:bottom, left:right].copy(),
        confidence=float(found.scores[index]),
    )
