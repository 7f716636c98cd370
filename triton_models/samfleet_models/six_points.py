"""EfficientSAM's prompt encoder: whatever is asked becomes six tokens.

Layout and keys as efficient_sam/efficient_sam_decoder.py of yformer/EfficientSAM (arXiv 2312.00863).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samfleet_models.prompt_encoder import Label, PointEncoder
from samfleet_models.transformer import DIM

POINTS = 6
NOWHERE = -1.0  # both coordinates of a missing point; their positional features count, as for any other
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


class SixPointEncoder(PointEncoder):
    """Points beyond six are left out, missing ones are asked about as if they lay at (-1, -1)."""

    def __init__(self, input_size: int, embedding_size: int) -> None:
        super().__init__(input_size, embedding_size)
        self.invalid_points = nn.Embedding(1, DIM)
        self.point_embeddings = nn.Embedding(1, DIM)
        self.bbox_top_left_embeddings = nn.Embedding(1, DIM)
        self.bbox_bottom_right_embeddings = nn.Embedding(1, DIM)

    def forward(self, coords: Tensor, labels: Tensor) -> Tensor:
        missing = max(0, POINTS - coords.shape[1])
        coords = nn.functional.pad(coords[:, :POINTS], (0, 0, 0, missing), value=NOWHERE)
        labels = nn.functional.pad(labels[:, :POINTS], (0, missing), value=Label.PADDING)
        coords = coords.masked_fill((labels == Label.PADDING).unsqueeze(-1), NOWHERE)
        features = self.pe_layer((coords + 0.5) / self.input_size)
        tokens: Tensor = features + self._kinds()[labels + 1]
        return tokens

    @property
    def dense(self) -> Tensor:
        return torch.zeros_like(self.point_embeddings.weight)

    def token_count(self, points: int) -> int:  # noqa: ARG002 - as many for any number
        return POINTS

    def _kinds(self) -> Tensor:
        """[5, 256]: row = label + 1. Background points have no embedding."""
        kinds = (self.point_embeddings, self.bbox_top_left_embeddings, self.bbox_bottom_right_embeddings)
        background = torch.zeros_like(self.point_embeddings.weight)
        return torch.cat([self.invalid_points.weight, background, *(kind.weight for kind in kinds)])


def efficient_sam_key(key: str) -> str:
    """The key in our network of an official key of the heads; those of other parts stay as they are."""
    if not key.startswith(MASK_DECODER):
        return key
    for official, own in OWN_NAMES.items():
        if official in key:
            return key.replace(official, own)
    return key
