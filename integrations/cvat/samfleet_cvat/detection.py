"""Detection function: all masks of an image.

cvat-cli task auto-annotate 42 --function-module samfleet_cvat.detection -p variant=str:mobile_sam
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import cvat_sdk.auto_annotation as cvataa
from cvat_sdk import models
from cvat_sdk.masks import encode_mask
from PIL.Image import Image

from samfleet.client import Client, SegmentResult
from samfleet.masks.polygons import DEFAULT_TOLERANCE, Corners, polygons_of


class SamfleetDetection:
    """Function that finds all masks of an image with one variant, each in a job that is removed afterwards.

    Masks without pixels are left out. If CVAT wants polygons, a mask in several parts becomes a polygon per part, and
    they differ from the mask by up to `tolerance` pixels. Raises the errors of `samfleet.client`.
    """

    def __init__(
        self,
        variant: str,
        *,
        label: str = "object",
        pool: str | None = None,
        tolerance: float = DEFAULT_TOLERANCE,
        client: Client | None = None,
        **task: float,
    ) -> None:
        self._client = client or Client()
        self._variant = variant
        self._label = label
        self._pools = [] if pool is None else [pool]
        self._tolerance = tolerance
        self._task = {"kind": "everything", **task}

    @cached_property
    def spec(self) -> cvataa.DetectionFunctionSpec:
        return cvataa.DetectionFunctionSpec(labels=[cvataa.label_spec(self._label, 0, type="mask")])

    def detect(self, context: cvataa.DetectionFunctionContext, image: Image) -> list[models.LabeledShapeRequest]:
        made = self._client.segment(image, self._variant, task=self._task, pools=self._pools, keep=False)
        with made as results:
            return [shape for result in results for shape in self._shapes(context, result)]

    def _shapes(
        self, context: cvataa.DetectionFunctionContext, result: SegmentResult
    ) -> Iterator[models.LabeledShapeRequest]:
        for index, record in enumerate(result.records):
            if not record["area"] or result.scores[index] < (context.conf_threshold or 0):
                continue
            if context.conv_mask_to_poly:
                for ring in polygons_of(record["segmentation"], self._tolerance, Corners.EDGES):
                    yield cvataa.polygon(0, ring.ravel().tolist())
            else:
                yield cvataa.mask(0, encode_mask(result.masks[index], result.boxes[index].tolist()))


create = SamfleetDetection
