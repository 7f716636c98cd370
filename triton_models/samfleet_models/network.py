"""One variant's network: the family's image encoder and SAM's two heads, under the official keys."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from samfleet.variants.record import VariantRecord
from samfleet_models.families import FAMILIES
from samfleet_models.mask_decoder import MaskDecoder
from samfleet_models.prompt_encoder import PromptEncoder

STRIDE = 16  # network input pixels per embedding pixel
PROMPTS_PER_PASS = {"cpu": 8, "cuda": 64}  # on a CPU a few prompts stay in the caches: twice as fast as 64 measured
MOST_PROMPTS_PER_PASS = {"cpu": 64, "cuda": 512}  # about 25 MB per prompt: 1.6 GB and 13 GB


class SamNetwork(nn.Module):
    def __init__(self, image_encoder: nn.Module, input_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.image_encoder = image_encoder
        self.prompt_encoder = PromptEncoder(input_size, input_size // STRIDE)
        self.mask_decoder = MaskDecoder()

    def encode(self, pixels: Tensor) -> Tensor:
        """Embeddings [B, 256, S/16, S/16] of preprocessed `pixels` [B, 3, S, S]."""
        embeddings: Tensor = self.image_encoder(pixels)
        return embeddings

    def decode(self, embedding: Tensor, coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mask logits [B, 4, S/4, S/4] and predicted IoUs [B, 4] of B prompts on one image.

        `embedding` [1, 256, S/16, S/16]; `coords` [B, T, 2] (x, y) in pixels of the network input; `labels` [B, T]
        of `samfleet_models.prompt_encoder.Label`.
        """
        dense = self.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        tokens = self.prompt_encoder(coords, labels)
        logits, ious = self.mask_decoder(embedding + dense, self.prompt_encoder.image_positions(), tokens)
        return logits, ious

    def prompts_per_pass(self, asked: int | Literal["auto"] = "auto") -> int:
        """How many prompts `decode` takes at a time; no result depends on it.

        What is asked for is an upper bound: no request may fill the memory of a server that others use.
        """
        if asked == "auto":
            return PROMPTS_PER_PASS[self.device.type]
        return min(asked, MOST_PROMPTS_PER_PASS[self.device.type])

    @property
    def device(self) -> torch.device:
        return self.prompt_encoder.no_mask_embed.weight.device


def build_network(record: VariantRecord) -> SamNetwork:
    """The untrained network of a record, ready for its official checkpoint."""
    encoder = FAMILIES[record.family](record.architecture, record.input_size)
    return SamNetwork(encoder, record.input_size).eval()
