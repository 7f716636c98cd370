"""Sample images of a job with the masks of each variant, as small JPEGs."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import DatasetImage, ImageResult, Outcome, Run
from samfleet.errors import SamfleetError, Unavailable
from samfleet.pages import data_url

MOST_PICTURES = 24  # of a report; at about 60 KB each it stays below 2 MB
SIDE = 640  # pixels, a size that is kept in the object store
JPEG_QUALITY = 80
Draw = Callable[[ImageResult, DatasetImage], bytes]


@dataclass(frozen=True, slots=True)
class Picture:
    """One image as one run saw it. `url` is a data URL, or empty with the reason in `error`."""

    variant: str
    pool: str
    masks: int
    url: str = ""
    width: int = 0
    height: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    file_name: str
    pictures: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Images of the samples in the order of the dataset, with their results by (run, image id)."""

    images: Sequence[DatasetImage]
    results: Mapping[tuple[uuid.UUID, int | None], ImageResult]


def choose(session: Session, dataset_id: uuid.UUID, runs: Sequence[Run], images: int) -> Chosen:
    """Choose at most `images` images at even distances in the dataset, fewer if there would be too many pictures."""
    total = max((run.total for run in runs), default=0)
    wanted = min(images, total, MOST_PICTURES // max(1, len(runs)) or 1)
    positions = sorted({(2 * number + 1) * total // (2 * wanted) for number in range(wanted)}) if wanted else []
    of_dataset = select(DatasetImage).where(DatasetImage.dataset_id == dataset_id, DatasetImage.position.in_(positions))
    chosen = session.scalars(of_dataset.order_by(DatasetImage.position)).all()
    of_runs = select(ImageResult).where(
        ImageResult.run_id.in_([run.id for run in runs]), ImageResult.image_id.in_([one.image_id for one in chosen])
    )
    return Chosen(chosen, {(result.run_id, result.image_id): result for result in session.scalars(of_runs)})


def draw_samples(chosen: Chosen, runs: Sequence[Run], draw: Draw) -> list[Sample]:
    """Render the pictures. One that cannot be rendered has its reason instead.

    Raises a subclass of `Unavailable` if a part of the system does not answer.
    """
    shown = runs[:MOST_PICTURES]
    return [
        Sample(
            image.file_name, [_picture(run, image, chosen.results.get((run.id, image.image_id)), draw) for run in shown]
        )
        for image in chosen.images
    ]


def _picture(run: Run, image: DatasetImage, result: ImageResult | None, draw: Draw) -> Picture:
    if result is None:
        return Picture(run.variant, run.pool, 0, error="not recorded yet")
    if result.outcome is Outcome.FAILED:
        return Picture(run.variant, run.pool, 0, error=f"failed: {result.error_message} ({result.error_code})")
    masks = result.mask_count or 0
    try:
        content = draw(result, image)
    except Unavailable:
        raise
    except SamfleetError as error:  # such as an image that is gone from its folder
        return Picture(run.variant, run.pool, masks, error=f"not shown: {error.message} ({error.code})")
    jpeg, (width, height) = _as_jpeg(content)
    return Picture(run.variant, run.pool, masks, data_url(jpeg, "image/jpeg"), width, height)


def _as_jpeg(png: bytes) -> tuple[bytes, tuple[int, int]]:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
        return buffer.getvalue(), picture.size
