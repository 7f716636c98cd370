"""Place of a GeoTIFF on the earth. Reading it needs rasterio, which is an extra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from samfleet.masks import tiff
from samfleet.masks.rasters import has_rasterio, open_raster

Transform = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Georeference:
    """Coordinate reference system of an image, and its affine transform.

    `crs` is `EPSG:32633` or WKT. With the transform (a, b, c, d, e, f) the corner of pixels x, y lies at
    (a x + b y + c, d x + e y + f), in units of the CRS.
    """

    crs: str
    transform: Transform

    def to_dict(self) -> dict[str, Any]:
        return {"crs": self.crs, "transform": list(self.transform)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        return cls(values["crs"], tuple(values["transform"]))

    def placed(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the coordinates of [n, 2] corners x, y of pixels."""
        a, b, c, d, e, f = self.transform
        x, y = corners[:, 0], corners[:, 1]
        return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)


def read_georeference(data: bytes) -> Georeference | None:
    """Return where the image of a file lies; None if the file does not say, or without rasterio.

    A TIFF that is turned by its orientation has none: the transform is that of its stored pixels.
    """
    if not data.startswith(tiff.SIGNATURES) or not tiff.has_geo_keys(data) or not has_rasterio():
        return None
    from rasterio.errors import RasterioError

    try:
        with open_raster(data) as dataset:
            code = dataset.crs.to_epsg() if dataset.crs else None
            crs = f"EPSG:{code}" if code else dataset.crs.to_wkt() if dataset.crs else None
            return Georeference(crs, tuple(dataset.transform)[:6]) if crs else None
    except RasterioError:
        return None  # the decoder says what is wrong with the file
