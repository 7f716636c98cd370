"""Ranks masks by stability instead of predicted IoU, for networks that were not trained to predict one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from samfleet_models.decoder.interface import Decoder, DrawnMasks, MaskedDecoder
from samfleet_models.device.transfers import to_device
from samfleet_models.modeling.common import Features
from samfleet_models.postprocess.threshold import stability_scores

OFFSET = 1.0  # EdgeSAM's predictor uses this offset, whatever offset its generator uses for the later threshold


@dataclass(frozen=True, slots=True)
class Ranked:
    """P prompts with the stability of their masks as `ious` [P, M] on the host.

    `logits` [P, M, S/4, S/4] are the drawn masks.
    """

    ious: Tensor
    logits: Tensor


class StabilityRanked:
    """A decoder that ranks by the stability of low-resolution logits, which another decoder draws.

    The IoU head of EdgeSAM was not distilled (arXiv 2312.06660), so its authors evaluate and generate by stability:
    `predict_torch` in edge_sam/predictor.py of chongzhou96/EdgeSAM. So scoring draws all masks. This takes 1 MB per
    prompt at 1024 pixels, a quarter more than an ambiguous prompt without thresholds takes. Drawing then selects from
    them.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.inner = decoder

    @property
    def lanes(self) -> int:
        return self.inner.lanes

    def prepare(self, features: Features) -> Any:
        return self.inner.prepare(features)

    def prepare_masked(self, features: Features, mask: Callable[[int], Tensor]) -> Any:
        return cast("MaskedDecoder", self.inner).prepare_masked(features, mask)

    @torch.inference_mode()
    def score(self, images: Any, coords: Tensor, labels: Tensor) -> Ranked:
        scored = self.inner.score(images, coords, labels)
        prompts, masks = scored.ious.shape
        places = torch.arange(prompts * masks)
        logits = self.inner.draw(scored, places // masks, places % masks).logits
        stability = stability_scores(logits, OFFSET).cpu()
        return Ranked(stability.view(prompts, masks), logits.view(prompts, masks, *logits.shape[1:]))

    def draw(self, scored: Ranked, rows: Tensor, masks: Tensor) -> DrawnMasks:
        device = scored.logits.device
        logits = scored.logits[to_device(rows, device), to_device(masks, device)]
        return DrawnMasks(logits, scored.ious[rows, masks])

    def release_memory(self) -> None:
        self.inner.release_memory()
