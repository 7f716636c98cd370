"""Overlays: images with their masks, rendered within a pixel budget. Small ones are cached in the object store."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response
from sqlalchemy import Engine

from samfleet.budget import Budget
from samfleet.config import Settings
from samfleet.datasets.content import Remote, read_image
from samfleet.datasets.s3_sources import BucketNotAllowed, S3ProfileUnknown
from samfleet.datasets.url_sources import UrlNotAllowed
from samfleet.db.models import DatasetImage, ImageResult
from samfleet.db.session import transaction
from samfleet.errors import SamfleetError
from samfleet.image_errors import (
    ImageEmpty,
    ImageFormatUnsupported,
    ImageMissing,
    ImageTooLarge,
    ImageTruncated,
    ImageUnreadable,
    RedirectForbidden,
    SourceChanged,
    SourceForbidden,
    SourceUnavailable,
)
from samfleet.jobs.export import RunNotFound
from samfleet.jobs.parts import run_prefix
from samfleet.logging import get_logger
from samfleet.masks.large import PixelLimits, require_size
from samfleet.masks.overlay import PicturesBusy, render_overlay
from samfleet.masks.record import MaskRecord
from samfleet.storage.jsonl import PartFileDamaged
from samfleet.storage.store import ObjectNotFound, ObjectStore, StorageForbidden, StorageFull, StorageUnavailable
from samfleet_api.dependencies import EngineValue, RemoteValue, SettingsValue, StoreValue
from samfleet_api.ranges import matches
from samfleet_api.runs import repository
from samfleet_api.runs.views import (
    ImageNotSegmented,
    ImageResultNotFound,
    read_masks,
    require_segmented,
)

# The size of the dashboard's gallery, and twice that. Caching arbitrary sizes would create too many objects.
KEPT_SIDES = frozenset({320, 640})
DRAWING = 1  # increased whenever the same masks are drawn differently

SOURCE_ERRORS: tuple[type[SamfleetError], ...] = (
    RunNotFound,
    BucketNotAllowed,
    ImageResultNotFound,
    ImageMissing,
    ImageEmpty,
    ImageFormatUnsupported,
    ImageTooLarge,
    ImageTruncated,
    ImageUnreadable,
    ObjectNotFound,
    PicturesBusy,
    RedirectForbidden,
    S3ProfileUnknown,
    SourceChanged,
    SourceForbidden,
    SourceUnavailable,
    StorageForbidden,
    StorageUnavailable,
    UrlNotAllowed,
)
PICTURE_ERRORS = (*SOURCE_ERRORS, ImageNotSegmented, PartFileDamaged)


log = get_logger(__name__)


def picture_budget(request: Request) -> Budget:
    budget: Budget = request.app.state.pictures
    return budget


PictureBudget = Annotated[Budget, Depends(picture_budget)]


@dataclass(frozen=True, slots=True)
class Pictures:
    """Reads images of datasets and draws overlays."""

    engine: Engine
    store: ObjectStore
    settings: Settings
    budget: Budget
    remote: Remote

    def read(self, result: ImageResult, image: DatasetImage) -> tuple[bytes, PixelLimits]:
        """Return the image's file and the limits of its pixels.

        Raises a subclass of `ImageFailed`, such as `SourceChanged` for an image of another size than the masks.
        """
        content = read_image(self.store, image.uri, self.settings.max_image_bytes, self.remote)
        limits = PixelLimits(self.settings.max_pixels, self.settings.max_tiled_pixels)
        if result.width and result.height:
            require_size(content, (result.width, result.height), limits)
        return content, limits

    def overlay(
        self, result: ImageResult, image: DatasetImage, *, max_side: int, with_masks: bool = True, jpeg: bool = False
    ) -> bytes:
        """Return the overlay as PNG or JPEG. Recorded results never change, so cached overlays stay valid.

        Raises like `read`.
        """
        key = picture_key(result.run_id, result.image_id, max_side, with_masks=with_masks, jpeg=jpeg)
        if max_side in KEPT_SIDES:
            try:
                return self.store.get(key)
            except ObjectNotFound:
                pass  # not requested before
        masks = [MaskRecord.from_dict(mask) for mask in read_masks(self.store, result)] if with_masks else []
        content, limits = self.read(result, image)
        picture = render_overlay(content, masks, max_side=max_side, limits=limits, budget=self.budget, jpeg=jpeg)
        if max_side in KEPT_SIDES:
            _keep(self.engine, self.store, result.run_id, key, picture)
        return picture


def _pictures(
    engine: EngineValue, store: StoreValue, settings: SettingsValue, budget: PictureBudget, remote: RemoteValue
) -> Pictures:
    return Pictures(engine, store, settings, budget, remote)


PicturesValue = Annotated[Pictures, Depends(_pictures)]


def picture_key(run_id: uuid.UUID, image_id: int, max_side: int, *, with_masks: bool, jpeg: bool) -> str:
    """Return the object key, below the run's prefix, so that the overlay is deleted with the run."""
    return (
        f"{run_prefix(run_id)}pictures/{image_id}-{max_side}{'' if with_masks else '-plain'}.{'jpg' if jpeg else 'png'}"
    )


def cache_headers(result: ImageResult, max_side: int, *, with_masks: bool, jpeg: bool = False) -> dict[str, str]:
    """Return the headers of a picture for browsers, which keep it for the same user only."""
    about = f"{DRAWING}-{result.run_id}-{result.image_id}-{max_side}-{with_masks}-{jpeg}"
    return {"ETag": f'"{about}"', "Cache-Control": "private, max-age=3600", "Vary": "Authorization, Cookie"}


def overlay_response(
    pictures: Pictures,
    found: tuple[ImageResult, DatasetImage],
    none_match: str | None,
    *,
    max_side: int,
    with_masks: bool = True,
    jpeg: bool = False,
) -> Response:
    """Return the overlay of an image, or 304 if the browser has it. Raises `ImageNotSegmented`, and like `Pictures`."""
    result, image = found
    require_segmented(result)
    headers = cache_headers(result, max_side, with_masks=with_masks, jpeg=jpeg)
    if matches(none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    picture = pictures.overlay(result, image, max_side=max_side, with_masks=with_masks, jpeg=jpeg)
    return Response(picture, media_type="image/jpeg" if jpeg else "image/png", headers=headers)


def _keep(engine: Engine, store: ObjectStore, run_id: uuid.UUID, key: str, picture: bytes) -> None:
    """Store a picture and count it. One without a row, after a crash in between, is deleted as an orphan."""
    try:
        store.put(key, picture)
        with transaction(engine) as session:
            repository.add_picture(session, run_id, key, len(picture))
    except (StorageFull, StorageUnavailable) as error:
        log.warning("picture.not_kept", code=error.code, reason=error.message)  # it can be rendered again
