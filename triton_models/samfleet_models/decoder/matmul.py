"""The matrix products of the folded decoder, with the shapes and libraries that measured fastest.

A table is [H, D, N]: for each of H heads, D channels of all N image tokens. Nothing is expanded per prompt in memory:
the loop runs over prompts or heads, whichever are fewer, and the other is the batch of one library call.
"""

from __future__ import annotations

import torch
from torch import Tensor

from samfleet_models.modeling.transformer import HEADS
from samfleet_models.ops.onednn import by_onednn


def product(left: Tensor, right: Tensor, add: Tensor | None = None) -> Tensor:
    """Return `left` [P, m, k] · `right` [P, k, n], plus `add` [P, m, n], which may be overwritten.

    A single prompt on a CPU goes through oneDNN (`samfleet_models.ops.onednn`).
    """
    if len(left) == 1 and by_onednn(left):
        linear = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - see `samfleet_models.ops.onednn`
        if add is None:
            return torch.as_tensor(linear(left[0], right[0].T, None, "none", [], ""))[None]
        return torch.as_tensor(linear.binary(left[0], add[0], right[0].T, None, "add"))[None]
    if add is None:
        return torch.bmm(left, right)
    return torch.baddbmm(add, left, right, out=add)


def over_image(queries: Tensor, table: Tensor, out: Tensor, *, add: bool = False) -> Tensor:
    """Write `out` [P, H, T, N] = `queries` [P, H, T, D] · `table` [H, D, N], or add it to `out`."""
    if len(queries) < HEADS:
        parts = [(query, table, target) for query, target in zip(queries, out, strict=True)]
    else:
        shared = table[:, None].expand(-1, len(queries), -1, -1)
        parts = [(queries[:, head], shared[head], out[:, head]) for head in range(HEADS)]
    for query, keys, target in parts:
        if add:
            torch.baddbmm(target, query, keys, out=target)
        else:
            torch.bmm(query, keys, out=target)
    return out


def from_image(weights: Tensor, table: Tensor) -> Tensor:
    """Return [P, H, T, D] = `weights` [P, H, T, N] · `table` [H, D, N] transposed."""
    columns = table.transpose(1, 2)
    if len(weights) < HEADS:
        return torch.stack([torch.bmm(weight, columns) for weight in weights])
    out = weights.new_empty(*weights.shape[:3], columns.shape[2])
    for head in range(HEADS):
        torch.bmm(weights[:, head], columns[head].expand(len(weights), -1, -1), out=out[:, head])
    return out


def by_head(x: Tensor) -> Tensor:
    """Return [P, H, T, C] of [P, H * T, C], as a view."""
    prompts, pairs, channels = x.shape
    return x.view(prompts, HEADS, pairs // HEADS, channels)


def split_heads(x: Tensor) -> Tensor:
    """Return [P, H, T, D] of [P, T, H * D]."""
    prompts, tokens, _ = x.shape
    return x.view(prompts, tokens, HEADS, -1).transpose(1, 2).contiguous()


def join_heads(x: Tensor) -> Tensor:
    """Return [P, T, H * D] of [P, H, T, D]."""
    return x.transpose(1, 2).flatten(2)


def each_head(x: Tensor, matrices: Tensor) -> Tensor:
    """Return [P, H, T, E] = `x` [P, H, T, D] · `matrices` [H, D, E], for a few rows only."""
    prompts, heads, tokens, _ = x.shape
    rows = torch.bmm(x.transpose(0, 1).flatten(1, 2), matrices)  # [H, P * T, E]
    return rows.view(heads, prompts, tokens, -1).transpose(0, 1).contiguous()
