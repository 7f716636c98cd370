"""The blocks of rows that the kernels share: softmaxes, products, and loads of parts with fewer rows than their block.

A prompt has T tokens and 8 heads; a block has B tokens, the next power of two. Blocks by head are [8, B, …], flat ones
[8 * B, …]. Rows of tokens T and above are zero. `tile` is a block of neighbouring image tokens.
"""

from __future__ import annotations

import triton
import triton.language as tl

HEADS: tl.constexpr = tl.constexpr(8)
CHANNELS: tl.constexpr = tl.constexpr(16)  # of a head


@triton.jit
def dot(a, b, input_precision: tl.constexpr, widen: tl.constexpr):
    """Return `a` · `b` in float32, of matrices or of one per head. `widen` makes the operands float32 first."""
    if widen:
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    return tl.dot(a, b, input_precision=input_precision, out_dtype=tl.float32)


@triton.jit
def load_table(table, columns, valid, pixels):
    """Return [8, 16, tile] of a `table` [8, 16, pixels]."""
    rows = tl.arange(0, HEADS)[:, None, None] * CHANNELS + tl.arange(0, CHANNELS)[None, :, None]
    return tl.load(table + rows * pixels + columns[None, None, :], mask=valid[None, None, :], other=0.0)


@triton.jit
def load_heads(x, tokens: tl.constexpr, block: tl.constexpr):
    """Return [8, B, 16] of a prompt's `x` [8, T, 16]."""
    token = tl.arange(0, block)[None, :, None]
    row = tl.arange(0, HEADS)[:, None, None] * tokens + token
    return tl.load(x + row * CHANNELS + tl.arange(0, CHANNELS)[None, None, :], mask=token < tokens, other=0.0)


@triton.jit
def rows_of(tokens: tl.constexpr, block: tl.constexpr):
    """Return the row of (head, token) among 8 * T for each of 8 * B, and whether there is one."""
    flat = tl.arange(0, HEADS * block)
    return flat // block * tokens + flat % block, flat % block < tokens


@triton.jit
def load_pairs(x, stride, tokens: tl.constexpr, block: tl.constexpr):
    """Return [8 * B, 8 * B] of `x` [8 * T, 8 * T], whose rows are `stride` numbers apart."""
    row, real = rows_of(tokens, block)
    return tl.load(x + row[:, None] * stride + row[None, :], mask=real[:, None] & real[None, :], other=0.0)


@triton.jit
def load_column(x, stride, tokens: tl.constexpr, block: tl.constexpr):
    """Return [8 * B] of a column with 8 * T numbers, `stride` apart."""
    row, real = rows_of(tokens, block)
    return tl.load(x + row * stride, mask=real, other=0.0)


@triton.jit
def over_tokens(logits, tokens: tl.constexpr, block: tl.constexpr):
    """Return the softmax of `logits` [8, B, tile] over the tokens of each head."""
    real = tl.arange(0, block)[None, :, None] < tokens
    logits = tl.where(real, logits, float("-inf"))
    weights = tl.exp(logits - tl.max(logits, 1)[:, None, :])
    return weights / tl.sum(weights, 1)[:, None, :]


@triton.jit
def weigh(logits, valid, greatest):
    """Return weights of a tile of `logits` [8 * B, tile], the greatest logit so far, and what earlier weights become.

    Weights are relative to the greatest logit so far, whose initial value is minus infinity.
    """
    logits = tl.where(valid[None, :], logits, float("-inf"))
    top = tl.maximum(greatest, tl.max(logits, 1))
    return tl.exp(logits - top[:, None]), top, tl.exp(greatest - top)


@triton.jit
def inverse_deviation(variance, epsilon):
    """Return 1 / sqrt(max(variance, 0) + epsilon). NaN stays NaN, which a maximum would replace."""
    return 1.0 / tl.sqrt(tl.where(variance < 0, 0.0, variance) + epsilon)
