"""The sweeps down the columns of masks, in Triton's language: interpolation, thresholds, counts and run ends.

A program handles a block of columns of one mask and goes down them, `STEP` rows at a time. Each pixel is interpolated
as torch's `interpolate` does it, twice if the frame asks for that, with the same roundings. So no pixel near a
threshold needs another decision. Registers hold a tile of `STEP` x `BLOCK` pixels.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _mix(first, weight, second, other, EMULATED: tl.constexpr):
    """Return first * weight + second * other: the second product is rounded, the rest is one fused operation.

    Triton's interpreter rounds `tl.fma` twice. There the sum is EMULATED in float64.
    """
    rest = second * other
    if EMULATED:
        return (first.to(tl.float64) * weight.to(tl.float64) + rest.to(tl.float64)).to(tl.float32)
    return tl.fma(first, weight, rest)


@triton.jit
def _across(low, row, left, right, w_left, w_right, real, EMULATED: tl.constexpr):
    first = tl.load(low + row + left, mask=real, other=0.0).to(tl.float32)
    second = tl.load(low + row + right, mask=real, other=0.0).to(tl.float32)
    return _mix(first, w_left, second, w_right, EMULATED)


@triton.jit
def _at(low, top, bottom, w_top, w_bottom, left, right, w_left, w_right, real, EMULATED: tl.constexpr):
    """Interpolate once: along the rows, then down the columns."""
    above = _across(low, top, left, right, w_left, w_right, real, EMULATED)
    below = _across(low, bottom, left, right, w_left, w_right, real, EMULATED)
    return _mix(above, w_top, below, w_bottom, EMULATED)


@triton.jit
def _logits(
    low,
    stride,
    y_index,
    y_weight,
    height,
    y,
    x_index,
    x_weight,
    width,
    x,
    TWO_STEPS: tl.constexpr,
    EMULATED: tl.constexpr,
):
    """Return the logits [rows, columns] at the pixels `y` [rows] and `x` [columns]; 0 outside the image."""
    y_in = (y >= 0) & (y < height)
    x_in = (x >= 0) & (x < width)
    real = y_in[:, None] & x_in[None, :]
    y0 = (tl.load(y_index + y, mask=y_in, other=0) * stride)[:, None]
    y1 = (tl.load(y_index + height + y, mask=y_in, other=0) * stride)[:, None]
    v0 = tl.load(y_weight + y, mask=y_in, other=0.0)[:, None]
    v1 = tl.load(y_weight + height + y, mask=y_in, other=0.0)[:, None]
    x0 = tl.load(x_index + x, mask=x_in, other=0)[None, :]
    x1 = tl.load(x_index + width + x, mask=x_in, other=0)[None, :]
    w0 = tl.load(x_weight + x, mask=x_in, other=0.0)[None, :]
    w1 = tl.load(x_weight + width + x, mask=x_in, other=0.0)[None, :]
    value = _at(low, y0, y1, v0, v1, x0, x1, w0, w1, real, EMULATED)
    if TWO_STEPS:
        y2 = (tl.load(y_index + 2 * height + y, mask=y_in, other=0) * stride)[:, None]
        y3 = (tl.load(y_index + 3 * height + y, mask=y_in, other=0) * stride)[:, None]
        v2 = tl.load(y_weight + 2 * height + y, mask=y_in, other=0.0)[:, None]
        v3 = tl.load(y_weight + 3 * height + y, mask=y_in, other=0.0)[:, None]
        x2 = tl.load(x_index + 2 * width + x, mask=x_in, other=0)[None, :]
        x3 = tl.load(x_index + 3 * width + x, mask=x_in, other=0)[None, :]
        w2 = tl.load(x_weight + 2 * width + x, mask=x_in, other=0.0)[None, :]
        w3 = tl.load(x_weight + 3 * width + x, mask=x_in, other=0.0)[None, :]
        w_left = tl.load(x_weight + 4 * width + x, mask=x_in, other=0.0)[None, :]
        w_right = tl.load(x_weight + 5 * width + x, mask=x_in, other=0.0)[None, :]
        w_top = tl.load(y_weight + 4 * height + y, mask=y_in, other=0.0)[:, None]
        w_bottom = tl.load(y_weight + 5 * height + y, mask=y_in, other=0.0)[:, None]
        corner = _at(low, y0, y1, v0, v1, x2, x3, w2, w3, real, EMULATED)
        above = _mix(value, w_left, corner, w_right, EMULATED)
        value = _at(low, y2, y3, v2, v3, x0, x1, w0, w1, real, EMULATED)
        corner = _at(low, y2, y3, v2, v3, x2, x3, w2, w3, real, EMULATED)
        below = _mix(value, w_left, corner, w_right, EMULATED)
        value = _mix(above, w_top, below, w_bottom, EMULATED)
    return value, real


@triton.jit
def _edges(above, last, y, x, height, width, STEP: tl.constexpr):
    """Mark [rows, columns] the pixels that differ from the one before them down the columns, and return the last bits.

    `above` [STEP, columns] int32 are the bits of the rows `y`, `last` [columns] those of the row before. A run at the
    image's end stops behind its last pixel.
    """
    row = tl.arange(0, STEP)
    word = tl.sum(above << row[:, None], 0)
    changed = word ^ ((word << 1) | last)
    edge = (changed[None, :] >> row[:, None]) & 1
    within = (y < height)[:, None] | ((y == height)[:, None] & (x == width - 1)[None, :])
    return tl.where(within & (x < width)[None, :], edge, 0), (word >> (STEP - 1)) & 1


@triton.jit
def count_kernel(
    low_res,
    mask_stride,
    row_stride,
    y_index,
    y_weight,
    x_index,
    x_weight,
    sums,
    edges,
    height,
    width,
    high,
    low,
    STEP: tl.constexpr,
    BLOCK: tl.constexpr,
    TWO_STEPS: tl.constexpr,
    EMULATED: tl.constexpr,
):
    mask, block, blocks = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    logits = low_res + mask.to(tl.int64) * mask_stride
    x = block * BLOCK + tl.arange(0, BLOCK)
    end = height - 1 + tl.arange(0, 1)
    before, inside = _logits(
        logits, row_stride, y_index, y_weight, height, end, x_index, x_weight, width, x - 1, TWO_STEPS, EMULATED
    )
    last = tl.sum((inside & (before > 0.0)).to(tl.int32), 0)
    count_high = tl.zeros([BLOCK], tl.int32)
    count_low = tl.zeros([BLOCK], tl.int32)
    count_edges = tl.zeros([BLOCK], tl.int32)
    for top in range(0, height + 1, STEP):
        y = top + tl.arange(0, STEP)
        value, real = _logits(
            logits, row_stride, y_index, y_weight, height, y, x_index, x_weight, width, x, TWO_STEPS, EMULATED
        )
        count_high += tl.sum((real & (value > high)).to(tl.int32), 0)
        count_low += tl.sum((real & (value > low)).to(tl.int32), 0)
        edge, last = _edges((real & (value > 0.0)).to(tl.int32), last, y, x, height, width, STEP)
        count_edges += tl.sum(edge, 0)
    tl.store(edges + mask.to(tl.int64) * width + x, count_edges, mask=x < width)
    own = sums + (mask * blocks + block) * 2
    tl.store(own, tl.sum(count_high, 0))
    tl.store(own + 1, tl.sum(count_low, 0))


@triton.jit
def write_kernel(
    low_res,
    mask_stride,
    row_stride,
    y_index,
    y_weight,
    x_index,
    x_weight,
    rows,
    offsets,
    ends,
    height,
    width,
    STEP: tl.constexpr,
    BLOCK: tl.constexpr,
    TWO_STEPS: tl.constexpr,
    EMULATED: tl.constexpr,
):
    number, block = tl.program_id(0), tl.program_id(1)
    logits = low_res + tl.load(rows + number).to(tl.int64) * mask_stride
    x = block * BLOCK + tl.arange(0, BLOCK)
    end = height - 1 + tl.arange(0, 1)
    before, inside = _logits(
        logits, row_stride, y_index, y_weight, height, end, x_index, x_weight, width, x - 1, TWO_STEPS, EMULATED
    )
    last = tl.sum((inside & (before > 0.0)).to(tl.int32), 0)
    place = tl.load(offsets + number.to(tl.int64) * width + x, mask=x < width, other=0)
    for top in range(0, height + 1, STEP):
        y = top + tl.arange(0, STEP)
        value, real = _logits(
            logits, row_stride, y_index, y_weight, height, y, x_index, x_weight, width, x, TWO_STEPS, EMULATED
        )
        edge, last = _edges((real & (value > 0.0)).to(tl.int32), last, y, x, height, width, STEP)
        behind = place[None, :] + tl.cumsum(edge, 0) - edge
        tl.store(ends + behind, x[None, :] * height + y[:, None], mask=edge != 0)
        place += tl.sum(edge, 0)
