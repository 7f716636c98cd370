"""Decoder heads, which turn embeddings and prompts into masks. `Family.heads` names one.

SAM's decoder has successors in SAM 2 (arXiv 2408.00714), HQ-SAM (arXiv 2306.01567), EfficientSAM (arXiv 2312.00863) and
EfficientViT-SAM (arXiv 2402.05008). Their differences are data here; one engine computes all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from samfleet.variants.execution import Products
from samfleet_models.decoder.dynamic_multimask import DynamicSingle
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.decoder.interface import Decoder
from samfleet_models.modeling.efficient_sam_prompt_encoder import EfficientPromptEncoder
from samfleet_models.modeling.hq_mask_decoder import RefinedMaskDecoder
from samfleet_models.modeling.mask_decoder import DecoderShape, MaskDecoder
from samfleet_models.modeling.prompt_encoder import PointEncoder, PromptEncoder
from samfleet_models.modeling.transformer import SelfAttention, TransformerShape


@dataclass(frozen=True, slots=True)
class Heads:
    """The parts of a decoder. Checkpoints load into `prompt_encoder(frame_size, embedding_size)` and `mask_decoder()`.

    `fold` turns both, once loaded, into a decoder that computes in a given type.
    """

    prompt_encoder: Callable[[int, int], nn.Module]
    mask_decoder: Callable[[], nn.Module]
    fold: Callable[[Any, Any, torch.dtype, Products], Decoder]


def fold_dynamic(
    prompt_encoder: PointEncoder, mask_decoder: MaskDecoder, precision: torch.dtype, products: Products = "ieee"
) -> DynamicSingle:
    return DynamicSingle(FoldedDecoder(prompt_encoder, mask_decoder, precision, products))


SAM = Heads(PromptEncoder, MaskDecoder, FoldedDecoder)
SAM2 = Heads(
    PromptEncoder,
    partial(MaskDecoder, DecoderShape(object_score=True, bounded_ious=True)),
    fold_dynamic,
)
EFFICIENT_VIT_SAM = Heads(
    PromptEncoder,
    partial(MaskDecoder, DecoderShape(TransformerShape(norm_epsilon=1e-6))),
    FoldedDecoder,
)
EFFICIENT_SAM = Heads(
    EfficientPromptEncoder,
    partial(
        MaskDecoder,
        DecoderShape(
            TransformerShape(
                functional.gelu,
                (
                    SelfAttention(residual=True),
                    SelfAttention(positioned_keys=True, positioned_values=True, residual=True),
                ),
            ),
            up_scaling_norm=partial(nn.GroupNorm, 1),
        ),
    ),
    FoldedDecoder,
)


def hq_sam(early_channels: int) -> Heads:
    """Return the heads for an encoder whose features have an early layer of `early_channels` after the embedding."""
    return Heads(PromptEncoder, partial(RefinedMaskDecoder, early_channels), FoldedDecoder)
