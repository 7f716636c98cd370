"""Prompts on one large image: several tiles at Triton at a time, one outcome with a mask for each prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from samfleet.image_errors import ImageFailed
from samfleet.jobs.outcomes import ImageOutcome
from samfleet.masks.large import PixelLimits
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import encode_runs
from samfleet.masks.run_sets import runs_of_code, sampled, union
from samfleet.variants.task import Prompt
from samfleet_worker.tiles.pixels import ReadTile, open_tiles
from samfleet_worker.tiles.placing import PromptTile
from samfleet_worker.tiles.step import failed_outcome, segment_each, summed_outcome


@dataclass(frozen=True, slots=True)
class PromptedImage:
    """An encoded image of `size` (width, height) that is larger than a tile, and the tiles of its prompts."""

    outcome: ImageOutcome
    data: bytes
    size: tuple[int, int]
    tiles: tuple[PromptTile, ...]


def segment_prompted(
    image: PromptedImage,
    segment: Callable[[bytes, Sequence[Prompt]], ImageOutcome],
    *,
    limits: PixelLimits,
    at_a_time: int,
    stop: Callable[[], None],
) -> ImageOutcome:
    """Return the outcome of the whole image. `segment` takes the file of a tile and its prompts, in its pixels.

    `stop` is called if `segment` raises, and ends the tiles that are at Triton.
    """
    try:
        with open_tiles(image.data, limits) as read:
            done = segment_each(image.tiles, partial(_segment_tile, image, segment, read), at_a_time, stop)
    except ImageFailed as error:
        return failed_outcome(image.outcome, error)
    outcome = summed_outcome(image.outcome, done, [tile.window for tile in image.tiles], image.size)
    if outcome.error is not None:
        return outcome
    masks = [
        mask_of_image(mask, tile, image.size)
        for tile, part in zip(image.tiles, done, strict=True)
        for mask in part.masks
    ]
    return replace(outcome, masks=tuple(sorted(masks, key=lambda mask: mask.prompt_index or 0)))


def _segment_tile(
    image: PromptedImage, segment: Callable[[bytes, Sequence[Prompt]], ImageOutcome], read: ReadTile, tile: PromptTile
) -> ImageOutcome:
    try:
        file = read(tile.window, tile.size)
    except ImageFailed as error:
        return failed_outcome(image.outcome, error)
    return segment(file, [tile.moved(image.outcome.prompts[place]) for place in tile.prompts])


def mask_of_image(mask: MaskRecord, tile: PromptTile, size: tuple[int, int]) -> MaskRecord:
    """Return a mask of a tile as one of the image of `size` (width, height), with the place of its prompt there.

    The mask of a scaled crop is enlarged by nearest neighbour.
    """
    left, top, right, bottom = tile.window
    width, height = right - left, bottom - top
    runs = runs_of_code(mask.counts, mask.size)
    if mask.size != (height, width):
        rows, columns = (
            ((np.arange(new) + 0.5) * old / new).astype(np.int64)
            for new, old in zip((height, width), mask.size, strict=True)
        )
        runs = sampled(runs, rows, columns)
    placed = union([runs.placed((left, top), size[::-1])])
    x0, y0, x1, y1 = (float(value) for value in placed.boxes()[0])
    return replace(
        mask,
        counts=encode_runs(placed)[0],
        size=size[::-1],
        area=int(placed.areas()[0]),
        bbox=(x0, y0, x1 - x0, y1 - y0),
        prompt_index=None if mask.prompt_index is None else tile.prompts[mask.prompt_index],
        crop_box=(left, top, width, height),
    )
