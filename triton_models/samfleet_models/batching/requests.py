"""Requests to the mask decoder as data: the prompts of one image, and the masks that come back.

Segmenting one image is a generator: it yields a `DecodeRequest`, is sent the `DecodeResult`, and returns the masks of
the image. It may yield any number of requests. `samfleet_models.batching.scheduler` runs several of these generators
and decodes their requests together.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.masks.record import MaskRecord
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.modeling.mask_decoder import MASKS
from samfleet_models.postprocess.masks import CropPlacement, EncodedMasks, Selection
from samfleet_models.postprocess.pixel_probe import Probe


@dataclass(frozen=True, slots=True)
class MaskChoice:
    """The choice of the decoder's masks to upsample, made by their predicted IoUs.

    `offered` [P, 4] bool marks the candidate masks of each prompt. Their IoU must exceed `above` (None: no bound).
    Prompts marked by `best` [P] bool keep only their highest mask, the first on ties.
    """

    offered: Tensor
    best: Tensor
    above: float | None = None

    @classmethod
    def among(cls, masks: Sequence[int], prompts: int, above: float | None = None, *, best: bool = False) -> MaskChoice:
        """Make one choice for all prompts."""
        offered = torch.zeros(prompts, MASKS, dtype=torch.bool)
        offered[:, list(masks)] = True
        return cls(offered, torch.full((prompts,), best), above)

    def of(self, rows: slice, ious: Tensor) -> Tensor:
        """Return [p, 4] bool for the prompts `rows`, whose `ious` [p, 4] are float32 on the host."""
        wanted, best = self.offered[rows], self.best[rows]
        if best.any():
            first = ious.where(wanted, -torch.inf).argmax(1, keepdim=True)
            alone = torch.zeros_like(wanted).scatter_(1, first, value=True)
            wanted = torch.where(best[:, None], alone, wanted)
        return wanted if self.above is None else wanted & (ious > self.above)

    def unscored(self, rows: slice, ious: Tensor) -> int:
        """Count the prompts `rows` that have an offered mask with a non-finite IoU; no threshold passes such a mask."""
        return int((self.offered[rows] & ~ious.isfinite()).any(1).sum())


@dataclass(frozen=True, slots=True)
class View:
    """A crop or the whole image, as input of the decoder: its context, its frame, and its place in the image."""

    context: Any
    frame: ImageFrame
    placement: CropPlacement


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """P prompts with the same number of points on one view, on the host.

    `coords` [P, T, 2] (x, y) in pixels of the network input, `labels` [P, T] int64 of
    `samfleet_models.modeling.prompt_encoder.Label`. `at_most` bounds how many prompts go through the decoder together.
    `probe` is looked up in the masks that pass.
    """

    view: View
    coords: Tensor
    labels: Tensor
    choice: MaskChoice
    selection: Selection
    at_most: int | Literal["auto"] = "auto"
    probe: Probe | None = None

    def __len__(self) -> int:
        return len(self.coords)

    @property
    def kind(self) -> tuple[int, torch.dtype, int | Literal["auto"]]:
        """The key of requests that may share chunks: their coordinates can be stacked, and they have the same bound."""
        return self.coords.shape[1], self.coords.dtype, self.at_most


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """The masks that passed, ordered by prompt. Each has the row of its prompt in the request and its predicted IoU.

    `sure` [n] bool marks the pixels of the request's probe that at least one mask is sure of; None without a probe.
    """

    masks: EncodedMasks
    prompts: NDArray[np.int64]
    ious: NDArray[np.float32]
    sure: NDArray[np.bool_] | None = None

    @classmethod
    def joined(cls, parts: Sequence[DecodeResult]) -> DecodeResult:
        probed = [part.sure for part in parts if part.sure is not None]
        return cls(
            sure=np.logical_or.reduce(probed) if probed else None,
            masks=EncodedMasks.joined([part.masks for part in parts]),
            prompts=np.concatenate([np.zeros(0, np.int64), *(part.prompts for part in parts)]),
            ious=np.concatenate([np.zeros(0, np.float32), *(part.ious for part in parts)]),
        )


@dataclass(frozen=True, slots=True)
class Pause:
    """A point between two requests where a cancelled image may end."""


ImageTask = Generator[DecodeRequest | Pause, DecodeResult, tuple[MaskRecord, ...]]


def decode(request: DecodeRequest) -> Generator[DecodeRequest, DecodeResult, DecodeResult]:
    """Yield a request and return its result. Tasks call it with `yield from`, because a bare `yield` has no type."""
    return (yield request)
