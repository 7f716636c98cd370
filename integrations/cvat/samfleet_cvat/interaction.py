"""Interaction function: the mask of the object that points or a box describe.

cvat-cli function create-native samfleet --function-module samfleet_cvat.interaction -p variant=str:mobile_sam
cvat-cli function run-agent 7 --function-module samfleet_cvat.interaction -p variant=str:mobile_sam
"""

from __future__ import annotations

import cvat_sdk.auto_annotation as cvataa
from cvat_sdk import models
from cvat_sdk.masks import encode_mask
from PIL.Image import Image

from samfleet.client import Client
from samfleet.client.images import picture_file


class SamfleetInteraction:
    """Function that segments the object of each request with one variant, without a job.

    All points and the box prompt one object. Negative points alone describe none, so they give no mask. Raises the
    errors of `samfleet.client`.
    """

    spec = cvataa.InteractionFunctionSpec(min_pos_points=0, min_neg_points=0, min_bounding_boxes=0)

    def __init__(self, variant: str, *, pool: str | None = None, client: Client | None = None) -> None:
        self._client = client or Client()
        self._variant = variant
        self._pool = pool

    def preprocess_image(self, _context: cvataa.InteractionFunctionContext, image: Image) -> bytes:
        """Return the image as a file, which CVAT keeps for further clicks."""
        return picture_file(image)[1]

    def detect(
        self, _context: cvataa.InteractionFunctionContext, pp_image: bytes, prompts: cvataa.InteractionPrompts
    ) -> list[cvataa.InteractionResultShape]:
        points = [*prompts.pos_points, *prompts.neg_points]
        labels = [1] * len(prompts.pos_points) + [0] * len(prompts.neg_points)
        box = prompts.bounding_box
        if not prompts.pos_points and box is None:
            return []
        found = self._client.predict(
            pp_image,
            self._variant,
            points=points or None,
            labels=labels or None,
            boxes=None if box is None else [(*box[0], *box[1])],
            pool=self._pool,
        )
        return [
            cvataa.InteractionResultShape(
                type="mask",
                points=encode_mask(found.masks[index], found.boxes[index].tolist()),
                attributes=[_confidence(float(found.scores[index]))],
            )
            for index, area in enumerate(found.areas)
            if area
        ]


def _confidence(score: float) -> models.AttributeValRequest:
    return models.AttributeValRequest(
        spec_id=cvataa.InteractionResultAttributes.CONFIDENCE.value, value=str(min(max(score, 0.0), 1.0))
    )


create = SamfleetInteraction
