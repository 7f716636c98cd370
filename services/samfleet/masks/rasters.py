"""TIFF files opened by rasterio, which is the extra `samfleet[geo]`: parts of the pixels, and places on the earth."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

CACHE_BYTES = 64 * 2**20  # of decoded blocks, in the process: the strips under a row of tiles


def has_rasterio() -> bool:
    return find_spec("rasterio") is not None


@contextmanager
def open_raster(data: bytes) -> Iterator[Any]:
    """Open a TIFF as a dataset of rasterio, which is not safe for several threads. Raises `RasterioError`."""
    from rasterio import Env, MemoryFile
    from rasterio.errors import NotGeoreferencedWarning

    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)  # most images have no place on the earth
    options = {"GDAL_CACHEMAX": CACHE_BYTES, "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
    with Env(**options), MemoryFile(data) as file, file.open(driver="GTiff") as dataset:
        yield dataset
