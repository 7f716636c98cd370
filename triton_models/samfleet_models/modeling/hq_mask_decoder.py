"""The parameters of HQ-SAM's mask decoder (arXiv 2306.01567), under the official keys.

An additional token draws an additional mask, from features that include an early layer of the encoder. The logits of
that mask are added to those of SAM's mask. Layout and keys follow segment_anything/modeling/mask_decoder_hq.py of
SysCV/sam-hq; `samfleet_models.decoder.hq_mask_logits` draws with them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samfleet_models.device.transfers import to_device
from samfleet_models.modeling.common import LayerNorm2d, Mlp
from samfleet_models.modeling.mask_decoder import MASKS, DecoderShape, ImageFeatures, MaskDecoder
from samfleet_models.modeling.transformer import DIM

REFINED_ALONE = MASKS  # index of the refining mask drawn without SAM's; its predicted IoU is that of mask 0
CHANNELS = DIM // 8


class RefinedMaskDecoder(MaskDecoder):
    """HQ-SAM's decoder. `early_channels` is C of the early layer [1, C, h, w] after the embedding in the features."""

    def __init__(self, early_channels: int, shape: DecoderShape | None = None) -> None:
        super().__init__(shape)
        self.hf_token = nn.Embedding(1, DIM)
        self.hf_mlp = Mlp((DIM, DIM, DIM, CHANNELS))
        self.compress_vit_feat = _enlarging(early_channels, DIM)
        self.embedding_encoder = _enlarging(DIM, DIM // 4)
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(CHANNELS, 2 * CHANNELS, 3, padding=1),
            LayerNorm2d(2 * CHANNELS),
            nn.GELU(),
            nn.Conv2d(2 * CHANNELS, CHANNELS, 3, padding=1),
        )

    @property
    def own_tokens(self) -> Tensor:
        return torch.cat([super().own_tokens, self.hf_token.weight])

    def image_features(self, features: tuple[Tensor, ...]) -> ImageFeatures:
        embedding, early = features
        refined = self.embedding_encoder(embedding) + self.compress_vit_feat(early)
        return ImageFeatures(embedding, refined=refined)

    def ious_of(self, ious: Tensor, rows: Tensor, masks: Tensor) -> Tensor:
        return super().ious_of(ious, rows, masks % REFINED_ALONE)

    def mask_kernels(self, tokens: Tensor, rows: Tensor, masks: Tensor) -> Tensor:
        """Return kernels [n, 32 + 32]: those of the masks, zeros for `REFINED_ALONE`, and those that refine them."""
        refining = self.hf_mlp(tokens[to_device(rows, tokens.device), super().own_tokens.shape[0]])
        return torch.cat([super().mask_kernels(tokens, rows, masks), refining], dim=1)


def _enlarging(channels: int, hidden: int) -> nn.Sequential:
    """Make the layers from [1, C, h, w] to [1, 32, 4 h, 4 w]."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels, hidden, 2, stride=2),
        LayerNorm2d(hidden),
        nn.GELU(),
        nn.ConvTranspose2d(hidden, CHANNELS, 2, stride=2),
    )
