"""Exports of an image of 20,000 x 20,000 pixels in bounded memory, each measured in a child process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.images.large_tiff import write_large_tiff

MOST_MIB = 250  # above the imports; one mask drawn as bool has 381, the image 1,144
FORMS = (
    *("png", "png_masks", "overlays", "cutouts", "contact_sheet", "coco", "instances", "coco_polygons"),
    *("geojson", "gpkg", "jsonl", "voc", "cvat", "label_studio_polygons"),
)
PROGRAM = """
import json, re, sys
from pathlib import Path
import numpy as np
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.masks.georeference import Georeference
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import encode_runs
from samfleet.masks.run_sets import union
from samfleet.masks.runs import Runs

SIDE = 20_000
def mask(x0, y0, x1, y1, wave=0):
    columns = np.arange(x0, x1, dtype=np.int64)
    edge = (wave * np.sin(columns / 40)).astype(np.int64)
    start, stop = columns * SIDE + y0 + wave + edge, columns * SIDE + y1 - wave + edge
    runs = union([Runs((SIDE, SIDE), 1, np.zeros(len(columns), np.int64), start, stop)])
    left, top, right, bottom = runs.boxes()[0].tolist()
    box = (left, top, right - left, bottom - top)
    return MaskRecord(encode_runs(runs)[0], (SIDE, SIDE), int(runs.areas()[0]), box, 0.9, 0.9).to_dict()

masks = [mask(0, 0, SIDE, SIDE), mask(500, 500, 19_500, 19_500, 300), mask(3_000, 9_000, 17_000, 9_900)]
masks += [mask(x, 100, x + 90, 180) for x in range(0, SIDE, 2000)]
place = Georeference("EPSG:32633", (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0)).to_dict()
row = {"dataset_image_id": 1, "image_id": 1, "file_name": "a.tif", "width": SIDE, "height": SIDE, "masks": masks}
row["georeference"] = place
data = Path(sys.argv[1]).read_bytes()
provenance = {"variant": "v", "checkpoint_sha256": "0", "run_id": "r", "parameters": {}}
source = ExportSource(lambda: iter([row]), (), provenance, lambda _: data)
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
before = peak()
written = sum(len(chunk) for chunk in FORMATS[sys.argv[2]].write(source, ExportOptions()))
print(json.dumps({"before": before, "peak": peak(), "bytes": written}))
"""


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_exports_of_a_large_image_need_little_memory(tmp_path: Path) -> None:
    for library in ("rasterio", "pyogrio"):
        pytest.importorskip(library)
    file = tmp_path / "large.tif"
    write_large_tiff(file)
    measured = {}
    for form in FORMS:
        command = [sys.executable, "-c", PROGRAM, str(file), form]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
        measured[form] = json.loads(ended.stdout)
        sys.stdout.write(f"{form}: {measured[form]}\n")
    assert {form for form, found in measured.items() if found["peak"] - found["before"] > MOST_MIB} == set(), measured
