"""SAM's prompt encoder, which turns points and box corners into tokens.

Layout and keys follow segment_anything/modeling/prompt_encoder.py; Fourier features after Tancik et al. (arXiv
2006.10739).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from enum import IntEnum

import torch
from torch import Tensor, nn

from samfleet_models.modeling.common import LayerNorm2d
from samfleet_models.modeling.transformer import DIM

MASK_CHANNELS = 16


class Label(IntEnum):
    """The kind of a prompt coordinate; foreground and background have the values of the official predictor."""

    PADDING = -1
    BACKGROUND = 0
    FOREGROUND = 1
    BOX_TOP_LEFT = 2
    BOX_BOTTOM_RIGHT = 3


class RandomFourierFeatures(nn.Module):
    """Sine and cosine of a fixed random projection; the matrix belongs to the checkpoint."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.zeros(2, DIM // 2))

    def forward(self, coords: Tensor) -> Tensor:
        """Return features [..., 256] of [..., 2] (x, y) in [0, 1]."""
        matrix = self.positional_encoding_gaussian_matrix
        angles = 2 * math.pi * ((2 * coords.to(matrix.dtype) - 1) @ matrix)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class PointEncoder(nn.Module, ABC):
    """The interface of prompt encoders that the decoder uses.

    `input_size` is the side of the square frame in pixels in which coordinates are given.
    """

    def __init__(self, input_size: int, embedding_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.embedding_size = embedding_size
        self.pe_layer = RandomFourierFeatures()

    @abstractmethod
    def forward(self, coords: Tensor, labels: Tensor) -> Tensor:
        """Return tokens [B, T, 256].

        `coords` are [B, T, 2] (x, y) in pixels of the frame, `labels` [B, T] (`Label`).
        """

    @property
    @abstractmethod
    def dense(self) -> Tensor:
        """The vector [1, 256] that is added to every pixel of an embedding without a mask prompt."""

    def image_positions(self) -> Tensor:
        """Return positional features [1, N, 256] of the embedding's pixels, row by row."""
        size, matrix = self.embedding_size, self.pe_layer.positional_encoding_gaussian_matrix
        centres = (torch.arange(size, device=matrix.device, dtype=torch.float32) + 0.5) / size
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        features: Tensor = self.pe_layer(torch.stack([x, y], dim=-1))
        return features.reshape(1, size * size, DIM)


class PromptEncoder(PointEncoder):
    """SAM's prompt encoder."""

    def __init__(self, input_size: int, embedding_size: int) -> None:
        super().__init__(input_size, embedding_size)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, DIM) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, DIM)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, MASK_CHANNELS // 4, 2, stride=2),
            LayerNorm2d(MASK_CHANNELS // 4),
            nn.GELU(),
            nn.Conv2d(MASK_CHANNELS // 4, MASK_CHANNELS, 2, stride=2),
            LayerNorm2d(MASK_CHANNELS),
            nn.GELU(),
            nn.Conv2d(MASK_CHANNELS, DIM, 1),
        )
        self.no_mask_embed = nn.Embedding(1, DIM)

    def forward(self, coords: Tensor, labels: Tensor) -> Tensor:
        """Encode points. Coordinates are shifted to pixel centres and normalised in their own dtype, then cast.

        The cast is to the weights' dtype. The official generator passes float64, the official predictor float32.
        """
        features = self.pe_layer((coords + 0.5) / self.input_size)
        features = features * (labels != Label.PADDING).unsqueeze(-1)
        kinds = [self.not_a_point_embed, *self.point_embeddings]  # row = label + 1
        table = torch.cat([torch.as_tensor(kind.weight) for kind in kinds])
        tokens: Tensor = features + table[labels + 1]
        return tokens

    @property
    def dense(self) -> Tensor:
        return torch.as_tensor(self.no_mask_embed.weight)

    @property
    def mask_side(self) -> int:
        """Side of a mask prompt in pixels."""
        return 4 * self.embedding_size

    def embed_mask(self, logits: Tensor) -> Tensor:
        """Return what a mask prompt adds to the N pixels of the embedding, [N, 256], row by row.

        `logits` [M, M] of `mask_side` M cover the frame.
        """
        embedded: Tensor = self.mask_downscaling(logits[None, None].to(self.no_mask_embed.weight.dtype))
        return embedded[0].flatten(1).T
