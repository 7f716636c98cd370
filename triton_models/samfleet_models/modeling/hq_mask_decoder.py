"""The parameters of HQ-SAM's mask decoder (arXiv 2306.01567), under the official keys.

One more token draws one more mask, from features that keep an early layer of the encoder, and that mask's logits are
added to those of the mask that SAM would give. Layout and keys as segment_anything/modeling/mask_decoder_hq.py of
SysCV/sam-hq; `samfleet_models.decoder.hq_mask_logits` draws with them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samfleet_models.device.transfers import to_device
from samfleet_models.modeling.common import LayerNorm2d, Mlp
from samfleet_models.modeling.mask_decoder import MASKS, DecoderShape, ImageFeatures, MaskDecoder
from samfleet_models.modeling.transformer import DIM

REFINED_ALONE = MASKS  # the number of the mask that is drawn without SAM's; the IoU predicted for it is mask 0's
CHANNELS = DIM // 8


class RefinedMaskDecoder(MaskDecoder):
    """`early_channels` are those of the encoder's early layer, [1, C, h, w] behind the embedding in its features."""

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
        """Kernels [n, 32 + 32]: of the masks, zeros for `REFINED_ALONE`, and of what refines them."""
        refining = self.hf_mlp(tokens[to_device(rows, tokens.device), super().own_tokens.shape[0]])
        return torch.cat([super().mask_kernels(tokens, rows, masks), refining], dim=1)


def _enlarging(channels: int, hidden: int) -> nn.Sequential:
    """[1, C, h, w] to [1, 32, 4 h, 4 w]."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels, hidden, 2, stride=2),
        LayerNorm2d(hidden),
        nn.GELU(),
        nn.ConvTranspose2d(hidden, CHANNELS, 2, stride=2),
    )
