"""Masks of one image that the server has segmented while the client waited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from samfleet.client.mask_arrays import COLUMNS, MaskArrays, package

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Prediction(MaskArrays):
    """Masks of one image. The server has stored nothing.

    `reply` is the response of `POST /v1/predict`, with the times of the stages and the licences. `image` is the file
    that was sent.
    """

    pool: str
    reply: Mapping[str, Any] = field(repr=False)
    image: bytes = field(repr=False)

    @property
    def device_ms(self) -> float:
        """Time of the stages in the model's process, in ms: this image's share if it was in a batch."""
        return float(sum(stage["ms"] for stage in self.reply["stages"].values()))

    @cached_property
    def overlay(self) -> bytes:
        """PNG of the image with its masks drawn on it, made here when it is first used.

        Raises a subclass of `samfleet.image_errors.ImageFailed` if this machine cannot read the format.
        """
        from samfleet.masks.overlay import render_overlay
        from samfleet.masks.record import MaskRecord

        return render_overlay(self.image, [MaskRecord.from_dict(dict(record)) for record in self.records])

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row per mask."""
        return package("pandas").DataFrame(list(self.rows()), columns=list(COLUMNS))

    def _repr_png_(self) -> bytes:
        return self.overlay
