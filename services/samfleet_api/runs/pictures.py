"""Pictures of images with their masks: drawn within a budget of pixels; small ones are kept in the store."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import Depends, Request

from samfleet.budget import Budget
from samfleet.config import Settings
from samfleet.datasets.content import read_image
from samfleet.db.models import DatasetImage, ImageResult
from samfleet.jobs.parts import run_prefix
from samfleet.logging import get_logger
from samfleet.masks.overlay import render_overlay
from samfleet.masks.record import MaskRecord
from samfleet.storage.store import ObjectNotFound, ObjectStore, StorageFull, StorageUnavailable
from samfleet_api.runs.views import read_masks

KEPT_SIDES = frozenset(
    {320, 640}
)  # what the dashboard's gallery asks for, and twice that; of any side there were too many

log = get_logger(__name__)


def picture_budget(request: Request) -> Budget:
    budget: Budget = request.app.state.pictures
    return budget


PictureBudget = Annotated[Budget, Depends(picture_budget)]


def picture_key(run_id: uuid.UUID, image_id: int, max_side: int, *, with_masks: bool) -> str:
    """Below the run's prefix, so that it is deleted with the run."""
    return f"{run_prefix(run_id)}pictures/{image_id}-{max_side}{'' if with_masks else '-plain'}.png"


def picture_of(
    store: ObjectStore,
    settings: Settings,
    budget: Budget,
    result: ImageResult,
    image: DatasetImage,
    *,
    max_side: int,
    with_masks: bool,
) -> bytes:
    """A PNG. A result never changes once it is recorded, so neither does its picture."""
    key = picture_key(result.run_id, result.image_id, max_side, with_masks=with_masks)
    if max_side in KEPT_SIDES:
        try:
            return store.get(key)
        except ObjectNotFound:
            pass  # nobody asked for it before
    masks = [MaskRecord.from_dict(mask) for mask in read_masks(store, result)] if with_masks else []
    content = read_image(store, image.uri, settings.max_image_bytes)
    picture = render_overlay(content, masks, max_side=max_side, max_pixels=settings.max_pixels, budget=budget)
    if max_side in KEPT_SIDES:
        _keep(store, key, picture)
    return picture


def _keep(store: ObjectStore, key: str, picture: bytes) -> None:
    try:
        store.put(key, picture)
    except (StorageFull, StorageUnavailable) as error:
        log.warning("picture.not_kept", code=error.code, reason=error.message)  # it can be drawn again
