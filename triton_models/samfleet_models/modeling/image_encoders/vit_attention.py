"""Attention with biases by row and column, which keeps only a tile of the scores in memory.

For ViT-B on 1024 px all scores of one block are 4096 x 4096 x 12 numbers, 0.8 GB in float32. The bias of a query and a
key is the sum of a number for the key's row and one for its column, so a tile's biases are computed from these together
with the tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from samfleet_models.ops import onednn_layers
from samfleet_models.ops.onednn import by_onednn

CPU_TILE_BYTES = 4 * 2**20  # per thread: a tile is written and read several times, in the cache if it fits
GPU_TILE_BYTES = 256 * 2**20  # four heads of 4096 tokens in float32, which occupy a large GPU

# Maps queries [n, heads, t, d] and biases [n, heads, t, T] to [n, heads, t, d].
Weigh = Callable[[Tensor, Tensor | None], Tensor]


def attend(qkv: Tensor, tables: tuple[Tensor, Tensor] | None, scale: float) -> Tensor:
    """Return [n, H, W, heads, d] from `qkv` [n, H, W, 3, heads, d]; the softmax is over all H x W tokens of an image.

    `tables` [H, H, d] and [W, W, d], indexed by the places of query and key, give the biases: their products with
    unscaled queries.
    """
    return torch.as_tensor(ATTENTION(qkv, *(tables or (None, None)), scale))


torch.library.define("samfleet::tiled_attention", "(Tensor qkv, Tensor? rows, Tensor? columns, float scale) -> Tensor")
ATTENTION = torch.ops.samfleet.tiled_attention  # one operator, because torch's compiler would unroll all tiles


@torch.library.impl("samfleet::tiled_attention", "CompositeExplicitAutograd")
def _attention(qkv: Tensor, rows: Tensor | None, columns: Tensor | None, scale: float) -> Tensor:
    out = _place_for_output(qkv)
    q, k, v = qkv.flatten(1, 2).permute(2, 0, 3, 1, 4).unbind(0)  # [n, heads, T, d]
    weigher, most = _method(q, biased=rows is not None)
    tokens = q.shape[2]
    for part in _parts(q, most):
        queries, weigh, biases = q[part], weigher(k[part], v[part], scale), None
        if rows is not None and columns is not None:
            biases = _biases(torch.unflatten(queries, 2, qkv.shape[1:3]), rows, columns)
        places = out.flatten(1, 2).transpose(1, 2)[part]
        for some in _steps(tokens, most // tokens):
            places[:, :, some] = weigh(queries[:, :, some], None if biases is None else _tile(biases, some))
    return out


@torch.library.register_fake("samfleet::tiled_attention")  # type: ignore[untyped-decorator]  # untyped in torch
def _attention_shape(qkv: Tensor, _rows: Tensor | None, _columns: Tensor | None, _scale: float) -> Tensor:
    return _place_for_output(qkv)


def _place_for_output(qkv: Tensor) -> Tensor:
    return torch.empty_like(qkv[:, :, :, 0], memory_format=torch.contiguous_format)


def _method(q: Tensor, *, biased: bool) -> tuple[Callable[[Tensor, Tensor, float], Weigh], int]:
    """Choose how scores of `q` [n, heads, T, d] are computed, and how many at a time."""
    pictures, heads, tokens, _ = q.shape
    most = _tile_bytes(q.device) // q.element_size()
    if by_onednn(q) and q.dtype == torch.float32 and heads * tokens**2 > most:
        return _by_onednn, min(most, tokens**2)
    return _by_torch, most if biased else pictures * heads * tokens**2  # torch's own kernels store no scores


def _tile_bytes(device: torch.device) -> int:
    return torch.get_num_threads() * CPU_TILE_BYTES if device.type == "cpu" else GPU_TILE_BYTES


def _parts(q: Tensor, most: int) -> Iterator[tuple[slice, slice]]:
    """Yield images and heads of `q` [n, heads, T, d] with at most `most` scores, or one head of one image."""
    pictures, heads, tokens, _ = q.shape
    for some in _steps(pictures, most // (heads * tokens**2)):
        for group in _steps(heads, most // tokens**2):
            yield some, group


def _steps(length: int, step: int) -> Iterator[slice]:
    step = max(1, step)
    return (slice(begin, begin + step) for begin in range(0, length, step))


def _biases(q: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Return the biases of `q` [n, heads, H, W, d] per row and column: [n, heads, T, H] and [n, heads, T, W]."""
    by_row = torch.einsum("nhyxd,ykd->nhyxk", q, rows)
    by_column = torch.einsum("nhyxd,xkd->nhyxk", q, columns)
    return by_row.flatten(2, 3), by_column.flatten(2, 3)


def _tile(biases: tuple[Tensor, Tensor], queries: slice) -> Tensor:
    by_row, by_column = (part[:, :, queries] for part in biases)
    return (by_row[..., :, None] + by_column[..., None, :]).flatten(3)


def _by_torch(k: Tensor, v: Tensor, scale: float) -> Weigh:
    return lambda q, bias: functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)


def _by_onednn(k: Tensor, v: Tensor, scale: float) -> Weigh:
    """Attend for one head: two matrix products with the softmax between, where these are faster than torch's kernel."""
    keys, values = k[0, 0] * scale, v[0, 0].T.contiguous()

    def weigh(q: Tensor, bias: Tensor | None) -> Tensor:
        scores = onednn_layers.linear(q[0, 0].contiguous(), keys, None, "none")
        if bias is not None:
            scores += bias[0, 0]
        return onednn_layers.linear(scores.softmax(-1), values, None, "none")

    return weigh
