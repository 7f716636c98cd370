"""EfficientSAM's prompt encoder, and its heads' keys in our network.

Layout and keys follow efficient_sam/efficient_sam_decoder.py of yformer/EfficientSAM (arXiv 2312.00863).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samfleet_models.modeling.prompt_encoder import PointEncoder
from samfleet_models.modeling.transformer import DIM

MASK_DECODER = "mask_decoder."
OWN_NAMES = {
    "final_output_upscaling_layers.0.": "output_upscaling.",
    "final_output_upscaling_layers.1.0.": "output_upscaling.3.",
    "mlp.layers.0.0.": "mlp.lin1.",
    "mlp.fc.": "mlp.lin2.",
    ".layers.0.0.": ".layers.0.",
    ".layers.1.0.": ".layers.1.",
    ".fc.": ".layers.2.",
}


class EfficientPromptEncoder(PointEncoder):
    """EfficientSAM's encoder: padding points keep their positional features; background points have no embedding."""

    def __init__(self, input_size: int, embedding_size: int) -> None:
        super().__init__(input_size, embedding_size)
        self.invalid_points = nn.Embedding(1, DIM)
        self.point_embeddings = nn.Embedding(1, DIM)
        self.bbox_top_left_embeddings = nn.Embedding(1, DIM)
        self.bbox_bottom_right_embeddings = nn.Embedding(1, DIM)

    def forward(self, coords: Tensor, labels: Tensor) -> Tensor:
        foreground, background = self.point_embeddings.weight, torch.zeros_like(self.point_embeddings.weight)
        corners = self.bbox_top_left_embeddings.weight, self.bbox_bottom_right_embeddings.weight
        kinds = torch.cat([self.invalid_points.weight, background, foreground, *corners])  # row = label + 1
        tokens: Tensor = self.pe_layer((coords + 0.5) / self.input_size) + kinds[labels + 1]
        return tokens

    @property
    def dense(self) -> Tensor:
        return torch.zeros_like(self.point_embeddings.weight)


def efficient_sam_key(key: str) -> str:
    """Map an official key of the heads to the key in our network; keys of other parts are unchanged."""
    if not key.startswith(MASK_DECODER):
        return key
    for official, own in OWN_NAMES.items():
        if official in key:
            return key.replace(official, own)
    return key
