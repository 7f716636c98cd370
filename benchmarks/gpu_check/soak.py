"""(e) Two hundred images in a row, of several sizes, to see whether memory grows."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from itertools import cycle, islice

from PIL import Image

from benchmarks.gpu_check.engines import MOBILE_SAM, engine_of, everything
from benchmarks.gpu_check.machine import memory
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import Recorder

IMAGES, SMALL_IMAGES = 200, 3
GRID, SMALL_GRID = 16, 2
SIDES, SMALL_SIDES = (320, 640, 1280, 2048), (320, 640)  # longer sides
EARLY_SHARE = 0.2  # share of the images before the first memory reading; every size occurs several times in them
MOST_GROWTH = 0.05
ROOM = 64 * 2**20  # bytes of normal fluctuation


def run(options: Options, recorder: Recorder) -> None:
    count, grid = (SMALL_IMAGES, SMALL_GRID) if options.small else (IMAGES, GRID)
    sides = SMALL_SIDES if options.small else SIDES
    images = list(islice(cycle(sized(options, sides)), count))
    early = max(len(sides), int(EARLY_SHARE * count))
    with recorder.item(f"{count} images, SegEvery {grid}x{grid}") as figures, engine_of(MOBILE_SAM, options) as engine:
        begun = time.perf_counter()
        series = []
        for image in images:
            everything(engine, [image], grid)
            series.append(memory(engine.device))
        first, last = series[early - 1], series[-1]
        growth = {name: last[name] - first[name] for name in first}
        grown = [name for name, more in growth.items() if more > ROOM + MOST_GROWTH * first[name]]
        figures |= {
            "passed": not grown,
            "grown": grown,
            "images_per_second": count / (time.perf_counter() - begun),
            "early_image": early,
            "early": first,
            "late": last,
            "growth_bytes": growth,
            "series": series[:: max(1, count // 20)],
        }


def sized(options: Options, sides: Sequence[int]) -> list[bytes]:
    """Return JPEG files, with the sizes cycling over the photographs."""
    files = []
    for path, side in zip(options.photographs(2 * len(sides)), cycle(sides), strict=False):
        with Image.open(path) as image:
            scale = side / max(image.size)
            size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
            content = io.BytesIO()
            image.convert("RGB").resize(size, Image.Resampling.BILINEAR).save(content, "JPEG", quality=90)
        files.append(content.getvalue())
    return files
