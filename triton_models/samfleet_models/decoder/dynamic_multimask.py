"""SAM 2's single masks: mask 0 if it is stable, else the best of the masks for ambiguous prompts.

After dynamic_multimask_via_stability of sam2/modeling/sam/mask_decoder.py (arXiv 2408.00714).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from samfleet_models.decoder.interface import Decoder, DrawnMasks, MaskedDecoder, Scored
from samfleet_models.device.transfers import to_device
from samfleet_models.modeling.common import Features
from samfleet_models.modeling.mask_decoder import MULTI, SINGLE

DELTA = 0.05  # logit offset on either side of the mask's edge
STABLE = 0.98


class DynamicSingle:
    """A decoder that replaces mask 0, and its IoU, if mask 0 is not stable.

    `inner` draws both masks: most of the work is in the features, which all masks of a prompt share.
    """

    def __init__(self, inner: Decoder) -> None:
        self.inner = inner

    @property
    def lanes(self) -> int:
        return self.inner.lanes

    def prepare(self, features: Features) -> Any:
        return self.inner.prepare(features)

    def prepare_masked(self, features: Features, mask: Callable[[int], Tensor]) -> Any:
        return cast("MaskedDecoder", self.inner).prepare_masked(features, mask)

    def score(self, images: Any, coords: Tensor, labels: Tensor) -> Scored:
        return self.inner.score(images, coords, labels)

    @torch.inference_mode()
    def draw(self, scored: Any, rows: Tensor, masks: Tensor) -> DrawnMasks:
        single = (masks == SINGLE).nonzero()[:, 0]
        if not len(single):
            return self.inner.draw(scored, rows, masks)
        counts = 1 + (masks == SINGLE).long()
        places = torch.arange(len(rows)).repeat_interleave(counts)
        own = counts.cumsum(0) - counts  # index of each mask among the drawn ones; its alternative follows it
        ambiguous = torch.tensor(MULTI)
        both = masks[places]
        both[own[single] + 1] = ambiguous[scored.ious[rows[single]][:, ambiguous].argmax(1)]
        drawn = self.inner.draw(scored, rows[places], both)
        device = drawn.logits.device
        unstable = stability(drawn.logits[to_device(own[single], device)]) < STABLE
        own[single] += unstable.long().cpu()
        return DrawnMasks(drawn.logits[to_device(own, device)], drawn.ious[own])

    def release_memory(self) -> None:
        self.inner.release_memory()


def stability(logits: Tensor) -> Tensor:
    """Return [n] of `logits` [n, h, w]: the share of the mask at a lower threshold that remains at a higher one.

    An empty mask has 1.
    """
    inner, outer = ((logits > threshold).sum((1, 2)).float() for threshold in (DELTA, -DELTA))
    return (inner / outer).masked_fill_(outer == 0, 1.0)
