"""The heads of the families whose decoder is SAM's or was made after it.

SAM 2 (arXiv 2408.00714), EfficientSAM (arXiv 2312.00863), EfficientViT-SAM (arXiv 2402.05008), HQ-SAM (arXiv
2306.01567). In what they differ is data here; `samfleet_models.folded` computes them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from torch import nn
from torch.nn import functional

from samfleet_models.mask_decoder import DecoderShape, MaskDecoder
from samfleet_models.prompt_encoder import PointEncoder, PromptEncoder
from samfleet_models.refined_mask_decoder import RefinedMaskDecoder
from samfleet_models.six_points import SixPointEncoder
from samfleet_models.transformer import TransformerShape, attended_with_residual, positioned_and_attended


@dataclass(frozen=True, slots=True)
class Heads:
    """`prompt_encoder` takes the side in pixels of the frame that coordinates live in, and that of the embedding."""

    prompt_encoder: Callable[[int, int], PointEncoder] = PromptEncoder
    mask_decoder: Callable[[], MaskDecoder] = field(default=MaskDecoder)


SAM = Heads()
SAM2 = Heads(mask_decoder=partial(MaskDecoder, DecoderShape(object_score=True, bounded_ious=True)))
EFFICIENT_VIT_SAM = Heads(
    mask_decoder=partial(MaskDecoder, DecoderShape(TransformerShape(norm_epsilon=1e-6))),
)
EFFICIENT_SAM = Heads(
    prompt_encoder=SixPointEncoder,
    mask_decoder=partial(
        MaskDecoder,
        DecoderShape(
            TransformerShape(functional.gelu, (attended_with_residual, positioned_and_attended)),
            up_scaling_norm=partial(nn.GroupNorm, 1),
        ),
    ),
)


def hq_sam(early_channels: int) -> Heads:
    """For an encoder whose early layer has so many channels."""
    return Heads(mask_decoder=partial(RefinedMaskDecoder, early_channels))
