"""HQ-SAM's mask decoder written plainly (segment_anything/modeling/mask_decoder_hq.py of SysCV/sam-hq)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference.plain_decoder import DIM, LayerNorm2d, MaskDecoder, Mlp


class HqMaskDecoder(MaskDecoder):
    def __init__(self, early_channels: int) -> None:
        super().__init__()
        self.hf_token = nn.Embedding(1, DIM)
        self.hf_mlp = Mlp((DIM, DIM, DIM, DIM // 8))
        self.compress_vit_feat = nn.Sequential(
            nn.ConvTranspose2d(early_channels, DIM, 2, stride=2),
            LayerNorm2d(DIM),
            nn.GELU(),
            nn.ConvTranspose2d(DIM, DIM // 8, 2, stride=2),
        )
        self.embedding_encoder = nn.Sequential(
            nn.ConvTranspose2d(DIM, DIM // 4, 2, stride=2),
            LayerNorm2d(DIM // 4),
            nn.GELU(),
            nn.ConvTranspose2d(DIM // 4, DIM // 8, 2, stride=2),
        )
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(DIM // 8, DIM // 4, 3, padding=1),
            LayerNorm2d(DIM // 4),
            nn.GELU(),
            nn.Conv2d(DIM // 4, DIM // 8, 3, padding=1),
        )

    def refined(
        self, features: tuple[Tensor, ...], dense: Tensor, positions: Tensor, prompt: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return logits [B, 5, 4H, 4W], the four refined masks and the refining one alone, and IoUs [B, 5].

        `features` are an embedding [1, 256, H, W] and the early layer [1, C, H, W]; `dense` is [1, 256], `positions`
        [1, H * W, 256], `prompt` [B, T, 256].
        """
        embedding, early = features
        image_features = self.embedding_encoder(embedding) + self.compress_vit_feat(early)
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight, self.hf_token.weight])
        tokens = torch.cat([own.expand(len(prompt), -1, -1), prompt], dim=1)
        image = (embedding + dense[..., None, None]).flatten(2).transpose(1, 2).expand(len(prompt), -1, -1)
        tokens, image = self.transformer(image, positions, tokens)
        pixels = self.output_upscaling(image.transpose(1, 2).unflatten(2, embedding.shape[-2:]))
        finer = self.embedding_maskfeature(pixels) + image_features
        kernels = torch.stack([mlp(tokens[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1)
        masks = (kernels @ pixels.flatten(2)).unflatten(2, pixels.shape[-2:])
        refining = (self.hf_mlp(tokens[:, 5])[:, None] @ finer.flatten(2)).unflatten(2, pixels.shape[-2:])
        ious = self.iou_prediction_head(tokens[:, 0])
        return torch.cat([masks + refining, refining], dim=1), torch.cat([ious, ious[:, :1]], dim=1)
