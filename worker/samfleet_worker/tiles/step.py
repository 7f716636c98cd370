"""One image in tiles: several tiles at Triton at a time, one outcome."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from samfleet.image_errors import ImageFailed
from samfleet.jobs.outcomes import ImageError, ImageOutcome
from samfleet.masks.large import PixelLimits
from samfleet.variants.tiling import Window
from samfleet_worker.tiles.merge import merge_tiles
from samfleet_worker.tiles.pixels import open_tiles
from samfleet_worker.tiles.reports import sum_reports

Tile = TypeVar("Tile")

READ_STAGE = "preprocess"  # where an image without tiles is decoded


@dataclass(frozen=True, slots=True)
class TiledImage:
    """An encoded image that is larger than a tile, and its tiles."""

    outcome: ImageOutcome
    data: bytes
    windows: tuple[Window, ...]


def segment_tiled(
    image: TiledImage,
    segment: Callable[[bytes], ImageOutcome],
    *,
    limits: PixelLimits,
    nms_thresh: float,
    at_a_time: int,
    stop: Callable[[], None],
) -> ImageOutcome:
    """Return the outcome of the whole image. `segment` takes the file of a tile.

    `stop` is called if `segment` raises, and ends the tiles that are at Triton.
    """

    def segment_window(read: Callable[[Window], bytes], window: Window) -> ImageOutcome:
        try:
            file = read(window)
        except ImageFailed as error:
            return failed_outcome(image.outcome, error)
        return segment(file)

    try:
        with open_tiles(image.data, limits) as read:
            tiles = segment_each(image.windows, partial(segment_window, read), at_a_time, stop)
    except ImageFailed as error:
        return failed_outcome(image.outcome, error)
    width, height = image.windows[-1][2:]
    outcome = summed_outcome(image.outcome, tiles, image.windows, (width, height))
    if outcome.error is not None:
        return outcome
    masks = merge_tiles((height, width), image.windows, [tile.masks for tile in tiles], nms_thresh)
    return replace(outcome, masks=masks)


def failed_outcome(outcome: ImageOutcome, error: ImageFailed) -> ImageOutcome:
    """Return the outcome of an image, or of a tile of it, that could not be decoded."""
    return replace(outcome, error=ImageError(error.code, error.message, READ_STAGE))


def segment_each(
    tiles: Sequence[Tile], segment: Callable[[Tile], ImageOutcome], at_a_time: int, stop: Callable[[], None]
) -> list[ImageOutcome]:
    """Segment tiles until one fails; return their outcomes in order, up to the failed one.

    `stop` is called if `segment` raises.
    """
    done: list[ImageOutcome] = []
    with ThreadPoolExecutor(min(at_a_time, len(tiles)), thread_name_prefix="tile") as pool:
        futures = [pool.submit(contextvars.copy_context().run, segment, tile) for tile in tiles]
        try:
            for future in futures:
                done.append(future.result())
                if done[-1].error is not None:
                    break
        except BaseException:
            stop()
            raise
        finally:
            for future in futures:
                future.cancel()
    return done


def summed_outcome(
    outcome: ImageOutcome, tiles: Sequence[ImageOutcome], windows: Sequence[Window], size: tuple[int, int]
) -> ImageOutcome:
    """Return the outcome of an image of `size` (width, height) without its masks, from those of its tiles.

    The error of the last tile, if any, becomes that of the image and names the tile.
    """
    reports = [tile.report for tile in tiles if tile.report is not None]
    outcome = replace(
        outcome,
        report=sum_reports(reports, size) if reports else None,
        round_trip_ms=sum(tile.round_trip_ms or 0.0 for tile in tiles) if reports else None,
    )
    if (error := tiles[-1].error) is None:
        return outcome
    x0, y0, x1, y1 = windows[len(tiles) - 1]
    where = f"tile {len(tiles)} of {len(windows)} (x {x0} to {x1}, y {y0} to {y1})"
    return replace(outcome, error=ImageError(error.code, f"{where}: {error.message}", error.stage))
