"""Mask logits of a tile of image tokens of one prompt, as a Triton kernel.

`samfleet_models.decoder.output_upscaling` states the algebra. Both transposed convolutions, the LayerNorm, the GELUs
and the product with the masks' kernels stay in registers and shared memory; of the 16 pixels of an image token only the
logits are written. A sub-pixel's 64 channels are neighbours, so the second convolution is one product of all of them.
"""

from __future__ import annotations

import triton
import triton.language as tl

from samfleet_models.gpu_kernels.blocks import dot

SUBPIXELS: tl.constexpr = tl.constexpr(4)
HIDDEN: tl.constexpr = tl.constexpr(64)  # channels of a sub-pixel after the first convolution
FEATURES: tl.constexpr = tl.constexpr(32)  # after the second
ROOT_HALF: tl.constexpr = tl.constexpr(0.7071067811865476)


@triton.jit
def gelu(x):
    return 0.5 * x * (1.0 + tl.erf(x * ROOT_HALF))


@triton.jit
def normed(x, weight, bias, epsilon):
    """Return the LayerNorm over the channels of `x` [n, 64]."""
    channels = tl.arange(0, HIDDEN)
    centred = x - tl.sum(x, 1)[:, None] / HIDDEN
    deviation = 1.0 / tl.sqrt(tl.sum(centred * centred, 1) / HIDDEN + epsilon)
    scaled = centred * deviation[:, None] * tl.load(weight + channels).to(tl.float32)[None, :]
    return scaled + tl.load(bias + channels).to(tl.float32)[None, :]


@triton.jit
def drawing(
    image, scale, projected, first, constants, norm_weight, norm_bias, second, second_bias, terms, kernels, starts, out,
    rows, pixels, side, constants_stride, epsilon,
    has_terms: tl.constexpr, masks: tl.constexpr, tile: tl.constexpr, depth: tl.constexpr,
    input_precision: tl.constexpr, widen: tl.constexpr,
):  # fmt: skip
    """Write the logits of the prompt's masks, `masks` or fewer, on the pixels of a tile; `depth` rows at a time."""
    prompt = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * tile + tl.arange(0, tile)
    valid = columns < pixels
    width: tl.constexpr = SUBPIXELS * HIDDEN
    number: tl.constexpr = projected.dtype.element_ty
    channels = tl.arange(0, width)
    base = tl.load(first + columns[:, None] * width + channels[None, :], mask=valid[:, None], other=0.0)
    own = tl.load(scale + prompt * pixels + columns, mask=valid, other=0.0)
    constant = tl.load(
        constants + columns[:, None] * constants_stride + channels[None, :], mask=valid[:, None], other=0.0
    )
    hidden = base.to(tl.float32) * own[:, None] + constant.to(tl.float32)
    for start in range(0, rows, depth):
        row = start + tl.arange(0, depth)
        factor = tl.load(
            image + (prompt * rows + row)[:, None] * pixels + columns[None, :],
            mask=(row < rows)[:, None] & valid[None, :],
            other=0.0,
        )
        matrix = tl.load(
            projected + (prompt * rows + row)[:, None] * width + channels[None, :],
            mask=(row < rows)[:, None],
            other=0.0,
        )
        hidden += dot(tl.trans(factor.to(number)), matrix, input_precision, widen)

    activated = gelu(normed(tl.reshape(hidden, (tile * SUBPIXELS, HIDDEN)), norm_weight, norm_bias, epsilon))
    outputs = tl.arange(0, SUBPIXELS * FEATURES)
    matrix = tl.load(second + outputs[None, :] * HIDDEN + tl.arange(0, HIDDEN)[:, None])
    features = dot(activated.to(number), matrix, input_precision, widen)
    features += tl.load(second_bias + outputs).to(tl.float32)[None, :]
    if has_terms:
        part = tl.program_id(1) * (tile * SUBPIXELS) + tl.arange(0, tile * SUBPIXELS)
        at = terms + part[:, None] * (SUBPIXELS * FEATURES) + outputs[None, :]
        features += tl.load(at, mask=(part < pixels * SUBPIXELS)[:, None], other=0.0).to(tl.float32)
    features = tl.reshape(gelu(features), (tile * SUBPIXELS * SUBPIXELS, FEATURES)).to(number)

    begin = tl.load(starts + prompt)
    mask = tl.arange(0, masks)
    wanted = mask < tl.load(starts + prompt + 1) - begin
    at = kernels + (begin + mask)[None, :] * FEATURES + tl.arange(0, FEATURES)[:, None]
    logits = dot(features, tl.load(at, mask=wanted[None, :], other=0.0), input_precision, widen)
    pixel = tl.arange(0, tile * SUBPIXELS * SUBPIXELS)
    token = tl.program_id(1) * tile + pixel // (SUBPIXELS * SUBPIXELS)
    outer, inner = pixel // SUBPIXELS % SUBPIXELS, pixel % SUBPIXELS
    y = token // side * 4 + outer // 2 * 2 + inner // 2
    x = token % side * 4 + outer % 2 * 2 + inner % 2
    own = out + (begin + mask).to(tl.int64) * pixels * (SUBPIXELS * SUBPIXELS)
    at = own[None, :] + (y * side * 4 + x)[:, None]
    tl.store(at, logits.to(out.dtype.element_ty), mask=(token < pixels)[:, None] & wanted[None, :])
