"""A TIFF of 20,000 x 20,000 pixels is segmented in bounded memory, measured in a child process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.images.large_tiff import write_large_tiff

MOST_MIB = 700  # the image alone has 1,144
PROGRAM = """
import resource, sys
from dataclasses import replace
from pathlib import Path
import io
import numpy as np
from PIL import Image
from samfleet.jobs.outcomes import ImageOutcome, ShardImage
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import encode_mask
from samfleet.variants.tiling import Tiling
from samfleet.masks.large import PixelLimits, size_by_limits
from samfleet_worker.tiles.step import TiledImage, segment_tiled

image = ShardImage(1, 1, "a.tif", "file:///a.tif", 0)
limits = PixelLimits(10_000, 1_000_000_000)
data = Path(sys.argv[1]).read_bytes()
size = size_by_limits(data, limits)

def segment(file):
    bright = np.asarray(Image.open(io.BytesIO(file)))[:, :, 0] > 100
    if not bright.any():
        return ImageOutcome(image)
    ys, xs = bright.nonzero()
    box = (float(xs.min()), float(ys.min()), float(np.ptp(xs)), float(np.ptp(ys)))
    return ImageOutcome(image, (MaskRecord(encode_mask(bright), bright.shape, int(bright.sum()), box, 0.9, 0.9),))

tiled = TiledImage(ImageOutcome(image), data, Tiling(1024, 128).windows(*size))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
outcome = segment_tiled(tiled, segment, limits=limits, nms_thresh=0.7, at_a_time=4, stop=lambda: None)
print(before // 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(len(tiled.windows), outcome.error, [(mask.bbox, mask.area) for mask in outcome.masks])
"""


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_a_large_tiff_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    pytest.importorskip("rasterio")
    file = tmp_path / "large.tif"
    write_large_tiff(file)
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file)], capture_output=True, text=True, check=True, timeout=500
    )
    peaks, found = finished.stdout.strip().splitlines()
    before, peak = map(int, peaks.split())
    megabytes = file.stat().st_size // 2**20
    assert found == f"529 None [((3000.0, 9000.0, 13999.0, 899.0), {14_000 * 900})]"
    assert peak < MOST_MIB + megabytes, f"{before} MiB before, {peak} MiB at the peak, a file of {megabytes} MiB"
