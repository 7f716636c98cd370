"""One image in tiles: several tiles at Triton at a time, one outcome."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from samfleet.image_errors import ImageFailed
from samfleet.jobs.outcomes import ImageError, ImageOutcome
from samfleet.masks.large import PixelLimits
from samfleet.variants.tiling import Window
from samfleet_worker.tiles.merge import merge_tiles
from samfleet_worker.tiles.pixels import open_tiles
from samfleet_worker.tiles.reports import sum_reports

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
            return _failed(image.outcome, error)
        return segment(file)

    try:
        with open_tiles(image.data, limits) as read:
            tiles = _segment_each(image.windows, partial(segment_window, read), at_a_time, stop)
    except ImageFailed as error:
        return _failed(image.outcome, error)
    return _merged(image, tiles, nms_thresh)


def _failed(outcome: ImageOutcome, error: ImageFailed) -> ImageOutcome:
    return replace(outcome, error=ImageError(error.code, error.message, READ_STAGE))


def _segment_each(
    windows: Sequence[Window], segment: Callable[[Window], ImageOutcome], at_a_time: int, stop: Callable[[], None]
) -> list[ImageOutcome]:
    """Segment tiles until one fails; return their outcomes in order, up to the failed one."""
    done: list[ImageOutcome] = []
    with ThreadPoolExecutor(min(at_a_time, len(windows)), thread_name_prefix="tile") as pool:
        futures = [pool.submit(contextvars.copy_context().run, segment, window) for window in windows]
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


def _merged(image: TiledImage, tiles: Sequence[ImageOutcome], nms_thresh: float) -> ImageOutcome:
    """Return the outcome of the whole image; the error of its last tile, if any, names the tile."""
    windows = image.windows
    width, height = windows[-1][2:]
    reports = [tile.report for tile in tiles if tile.report is not None]
    outcome = replace(
        image.outcome,
        report=sum_reports(reports, (width, height)) if reports else None,
        round_trip_ms=sum(tile.round_trip_ms or 0.0 for tile in tiles) if reports else None,
    )
    if (error := tiles[-1].error) is not None:
        x0, y0, x1, y1 = windows[len(tiles) - 1]
        where = f"tile {len(tiles)} of {len(windows)} (x {x0} to {x1}, y {y0} to {y1})"
        return replace(outcome, error=ImageError(error.code, f"{where}: {error.message}", error.stage))
    masks = merge_tiles((height, width), windows, [tile.masks for tile in tiles], nms_thresh)
    return replace(outcome, masks=masks)
