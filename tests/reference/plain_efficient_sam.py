"""EfficientSAM's heads written plainly, with their official keys (efficient_sam_decoder.py, two_way_transformer.py)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from reference.plain_decoder import DIM, MASKS, Attention


class MlpBlock(nn.Module):
    """Linear layers of the given widths with GELU between them; the last is `fc`."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        *hidden, (before, after) = pairwise(widths)
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(a, b), nn.GELU()) for a, b in hidden)
        self.fc = nn.Linear(before, after)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return torch.as_tensor(self.fc(x))


class Block(nn.Module):
    def __init__(self, *, skip_first_layer_pe: bool) -> None:
        super().__init__()
        self.skip_first_layer_pe = skip_first_layer_pe
        self.self_attn = Attention()
        self.norm1 = nn.LayerNorm(DIM)
        self.cross_attn_token_to_image = Attention(downsample=2)
        self.norm2 = nn.LayerNorm(DIM)
        self.mlp = MlpBlock((DIM, 2048, DIM))
        self.norm3 = nn.LayerNorm(DIM)
        self.norm4 = nn.LayerNorm(DIM)
        self.cross_attn_image_to_token = Attention(downsample=2)

    def forward(self, queries: Tensor, keys: Tensor, query_pe: Tensor, key_pe: Tensor) -> tuple[Tensor, Tensor]:
        if not self.skip_first_layer_pe:
            queries = queries + query_pe
        queries = self.norm1(queries + self.self_attn(queries, queries, queries))
        queries = self.norm2(queries + self.cross_attn_token_to_image(queries + query_pe, keys + key_pe, keys))
        queries = self.norm3(queries + self.mlp(queries))
        keys = self.norm4(keys + self.cross_attn_image_to_token(keys + key_pe, queries + query_pe, queries))
        return queries, keys


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Block(skip_first_layer_pe=True), Block(skip_first_layer_pe=False)])
        self.final_attn_token_to_image = Attention(downsample=2)
        self.norm_final_attn = nn.LayerNorm(DIM)

    def forward(self, image: Tensor, image_pe: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        queries, keys = tokens, image
        for layer in self.layers:
            queries, keys = layer(queries, keys, tokens, image_pe)
        attended = self.final_attn_token_to_image(queries + tokens, keys + image_pe, keys)
        return self.norm_final_attn(queries + attended), keys


class EfficientMaskDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.transformer = Transformer()
        self.iou_token = nn.Embedding(1, DIM)
        self.mask_tokens = nn.Embedding(MASKS, DIM)
        self.final_output_upscaling_layers = nn.ModuleList(
            [
                nn.Sequential(nn.ConvTranspose2d(DIM, DIM // 4, 2, stride=2), nn.GroupNorm(1, DIM // 4), nn.GELU()),
                nn.Sequential(nn.ConvTranspose2d(DIM // 4, DIM // 8, 2, stride=2), nn.Identity(), nn.GELU()),
            ]
        )
        self.output_hypernetworks_mlps = nn.ModuleList(MlpBlock((DIM, DIM, DIM, DIM // 8)) for _ in range(MASKS))
        self.iou_prediction_head = MlpBlock((DIM, DIM, DIM, MASKS))

    def forward(self, embedding: Tensor, positions: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor]:
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(len(prompt), -1, -1), prompt], dim=1)
        image = embedding.flatten(2).transpose(1, 2).expand(len(prompt), -1, -1)
        tokens, image = self.transformer(image, positions, tokens)
        pixels = image.transpose(1, 2).unflatten(2, embedding.shape[-2:])
        for layer in self.final_output_upscaling_layers:
            pixels = layer(pixels)
        kernels = torch.stack([mlp(tokens[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1)
        logits = (kernels @ pixels.flatten(2)).unflatten(2, pixels.shape[-2:])
        return logits, self.iou_prediction_head(tokens[:, 0])


class Positions(nn.Module):
    positional_encoding_gaussian_matrix: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.zeros(2, DIM // 2))

    def forward(self, coords: Tensor) -> Tensor:
        angles = 2 * math.pi * ((2 * coords - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class EfficientPromptEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pe_layer = Positions()
        self.invalid_points = nn.Embedding(1, DIM)
        self.point_embeddings = nn.Embedding(1, DIM)
        self.bbox_top_left_embeddings = nn.Embedding(1, DIM)
        self.bbox_bottom_right_embeddings = nn.Embedding(1, DIM)

    def forward(self, coords: Tensor, labels: Tensor, side: int) -> Tensor:
        """Return tokens [B, T, 256] of points in pixels of a square input; (-1, -1) with label -1 counts as a point."""
        tokens = self.pe_layer((coords + 0.5) / side)
        kinds = {
            -1: self.invalid_points,
            1: self.point_embeddings,
            2: self.bbox_top_left_embeddings,
            3: self.bbox_bottom_right_embeddings,
        }
        for label, kind in kinds.items():
            tokens[labels == label] += kind.weight
        return torch.as_tensor(tokens)

    def dense_positions(self, size: int) -> Tensor:
        steps = (torch.arange(size) + 0.5) / size
        grid = torch.stack([steps[None, :].expand(size, size), steps[:, None].expand(size, size)], dim=-1)
        return torch.as_tensor(self.pe_layer(grid)).reshape(1, size * size, DIM)


class EfficientHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.prompt_encoder = EfficientPromptEncoder()
        self.mask_decoder = EfficientMaskDecoder()

    def forward(self, embedding: Tensor, coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [B, 4, 4H, 4W] and IoUs [B, 4]."""
        size = embedding.shape[-1]
        positions = self.prompt_encoder.dense_positions(size)
        prompt = self.prompt_encoder(coords, labels, 16 * size)
        logits, ious = self.mask_decoder(embedding, positions, prompt)
        return logits, ious
