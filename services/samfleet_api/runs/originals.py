"""The pictures under the masks: the dataset's images, upright, in a format that browsers show."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Query, Response

from samfleet.datasets.content import is_unchanged
from samfleet.db.models import DatasetImage
from samfleet.db.session import read_only
from samfleet.masks.upright import upright_picture
from samfleet_api.dependencies import TenantId
from samfleet_api.long_requests import long_running
from samfleet_api.problems import problems
from samfleet_api.ranges import matches
from samfleet_api.runs.endpoints import ImageId, NoneMatch
from samfleet_api.runs.pictures import SOURCE_ERRORS, PicturesValue
from samfleet_api.runs.views import require_image
from samfleet_api.short_ids import RunId

router = APIRouter(prefix="/v1/runs", tags=["runs"])

MOST_PIXELS = 8192  # of a side; browsers draw larger pictures slowly or not at all
MaxSide = Annotated[
    int, Query(ge=16, le=MOST_PIXELS, description="Maximum width and height in pixels; larger images are scaled down.")
]
# A file of a user must be shown as what it says, and a shared computer must not show it to the next user.
HEADERS = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}


@router.get(
    "/{run_id}/images/{image_id}/picture",
    summary="Read the upright image without masks",
    operation_id="run_read_picture",
    response_class=Response,
    responses={
        200: {
            "description": "The file itself if browsers show it upright; else a PNG or JPEG of it.",
            "content": {"image/jpeg": {}, "image/png": {}, "image/webp": {}},
        },
        304: {"description": "The picture matches `If-None-Match`."},
        **problems(*SOURCE_ERRORS),
    },
)
@long_running
def read_picture(
    run_id: RunId,
    image_id: ImageId,
    tenant_id: TenantId,
    pictures: PicturesValue,
    max_side: MaxSide = MOST_PIXELS,
    none_match: NoneMatch = None,
) -> Response:
    """Return the image as the model saw it: upright, 8 bits a channel, without transparency. Masks are in its pixels.

    JPEG, PNG and WebP files are sent unchanged if they are so already and not larger than `max_side`. Others are
    rendered, as PNG where that loses nothing.
    """
    with read_only(pictures.engine) as session:
        result, image = require_image(session, tenant_id, run_id, image_id)
        tag = _tag(image, max_side)
    if tag is not None and matches(none_match, tag):
        return Response(status_code=304, headers={**HEADERS, "ETag": tag})
    content, limits = pictures.read(result, image)
    picture = upright_picture(content, max_side=max_side, limits=limits, budget=pictures.budget)
    headers = HEADERS if tag is None else {**HEADERS, "ETag": tag}
    return Response(picture.content, media_type=picture.media_type, headers=headers)


def _tag(image: DatasetImage, max_side: int) -> str | None:
    """Return the entity tag, without reading the file; None if the file is no longer the one that was listed."""
    if not is_unchanged(image.uri, image.size_bytes, image.modified_ns, image.changed_ns):
        return None
    parts = (image.uri, image.size_bytes, image.modified_ns, image.changed_ns, max_side)
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'
