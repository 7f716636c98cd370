"""The three sweeps over the image tokens of the two-way pass, as Triton kernels.

`samfleet_models.decoder.two_way_pass` states the algebra and the names. A program takes one prompt through every tile
of one part of the image. The softmax over the image runs online in it; it writes its share of the sums, and
`launch.Launcher` adds the shares of a prompt. Only the final factors are written per image token.

With B the block of T tokens and R = 8 * B, a program keeps between tiles, in float32 registers: in the first sweep the
attended values [R, 16], in the second also the gathered factors [R, R], in the third twice those. For T = 7 that is
37 KB, for T = 16 138 KB, of the 256 KB of a multiprocessor's register file. Matrices of a prompt are read again for
every tile, from the caches. Shared memory holds the operands of one product at a time: `limits.Blocks.shared_bytes`.

The products of the factors with themselves are symmetric: of the blocks (early, early), (early, late), (late, early)
and (late, late) the third is the second's transpose and not computed.
"""

from __future__ import annotations

import triton
import triton.language as tl

from samfleet_models.gpu_kernels.blocks import (
    CHANNELS,
    HEADS,
    dot,
    inverse_deviation,
    load_column,
    load_heads,
    load_pairs,
    load_table,
    over_tokens,
    rows_of,
    weigh,
)


@triton.jit
def store_softmax(greatest, total, seen, share, out, tokens: tl.constexpr, block: tl.constexpr):
    """Write a share's greatest logits [8 * T], totals [8 * T] and attended values [8 * T, 16], one after the other."""
    row, real = rows_of(tokens, block)
    rows: tl.constexpr = HEADS * tokens
    at = out + share * (rows * (2 + CHANNELS))
    tl.store(at + row, greatest, mask=real)
    tl.store(at + rows + row, total, mask=real)
    values = at + 2 * rows + row[:, None] * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    tl.store(values, tl.reshape(seen, (HEADS * block, CHANNELS)), mask=real[:, None])


@triton.jit(do_not_specialize=["tiles"])  # it differs with the number of prompts
def first(
    queries, keys, values, out,
    pixels, tiles,
    tokens: tl.constexpr, block: tl.constexpr, tile: tl.constexpr,
    input_precision: tl.constexpr, widen: tl.constexpr,
):  # fmt: skip
    """First token-to-image attention."""
    prompt, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    rows: tl.constexpr = HEADS * block
    query = load_heads(queries + prompt * (HEADS * tokens * CHANNELS), tokens, block)
    greatest = tl.full((rows,), float("-inf"), tl.float32)
    total = tl.zeros((rows,), tl.float32)
    seen = tl.zeros((HEADS, block, CHANNELS), tl.float32)
    for start in range(part * tiles * tile, tl.minimum((part + 1) * tiles * tile, pixels), tile):
        columns = start + tl.arange(0, tile)
        valid = columns < pixels
        logits = dot(query, load_table(keys, columns, valid, pixels), input_precision, widen)
        weights, greatest, kept = weigh(tl.reshape(logits, (rows, tile)), valid, greatest)
        total = total * kept + tl.sum(weights, 1)
        value = tl.permute(load_table(values, columns, valid, pixels), (0, 2, 1))
        by_head = tl.reshape(weights, (HEADS, block, tile)).to(value.dtype)
        seen = seen * tl.reshape(kept, (HEADS, block, 1)) + dot(by_head, value, input_precision, widen)
    store_softmax(greatest, total, seen, prompt * tl.num_programs(1) + part, out, tokens, block)


@triton.jit(do_not_specialize=["tiles"])  # it differs with the number of prompts
def second(
    early_keys, echo_values, products, queries, against,
    early_queries, echoes, keys, position_keys, values, norms,
    scale, gathered, out,
    pixels, tiles, epsilon,
    tokens: tl.constexpr, block: tl.constexpr, tile: tl.constexpr,
    input_precision: tl.constexpr, widen: tl.constexpr,
):  # fmt: skip
    """First image-to-token attention, which writes r₀ into `scale`, and second token-to-image attention."""
    prompt, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    rows: tl.constexpr = HEADS * block
    pairs: tl.constexpr = HEADS * tokens
    number: tl.constexpr = early_queries.dtype.element_ty
    early_key = load_heads(early_keys + prompt * (pairs * CHANNELS), tokens, block)
    echo_value = load_heads(echo_values + prompt * (pairs * CHANNELS), tokens, block)
    query = load_heads(queries + prompt * (pairs * CHANNELS), tokens, block)
    greatest = tl.full((rows,), float("-inf"), tl.float32)
    total = tl.zeros((rows,), tl.float32)
    seen = tl.zeros((HEADS, block, CHANNELS), tl.float32)
    factors = tl.zeros((rows, rows), tl.float32)
    for start in range(part * tiles * tile, tl.minimum((part + 1) * tiles * tile, pixels), tile):
        columns = start + tl.arange(0, tile)
        valid = columns < pixels
        table = load_table(early_queries, columns, valid, pixels)
        early = tl.reshape(over_tokens(dot(early_key, table, input_precision, widen), tokens, block), (rows, tile))
        echo = dot(echo_value, load_table(echoes, columns, valid, pixels), input_precision, widen)
        spread = tl.reshape(echo, (rows, tile))
        product = load_pairs(products + prompt * (pairs * pairs), pairs, tokens, block)
        spread += dot(product, early.to(number), input_precision, widen)
        variance = tl.sum(spread * early, 0) + tl.load(norms + columns, mask=valid, other=0.0)
        deviation = inverse_deviation(variance, epsilon)
        tl.store(scale + prompt * pixels + columns, deviation, mask=valid)
        early = (early * deviation[None, :]).to(number)
        logits = dot(query, load_table(keys, columns, valid, pixels), input_precision, widen)
        logits = logits * deviation[None, None, :]
        logits += dot(query, load_table(position_keys, columns, valid, pixels), input_precision, widen)
        pair = load_pairs(against + prompt * (pairs * pairs), pairs, tokens, block)
        flat = tl.reshape(logits, (rows, tile)) + dot(pair, early, input_precision, widen)
        weights, greatest, kept = weigh(flat, valid, greatest)
        total = total * kept + tl.sum(weights, 1)
        factors = factors * kept[:, None] + dot(weights.to(number), tl.trans(early), input_precision, widen)
        value = tl.permute(load_table(values, columns, valid, pixels), (0, 2, 1))
        by_head = tl.reshape(weights * deviation[None, :], (HEADS, block, tile)).to(number)
        seen = seen * tl.reshape(kept, (HEADS, block, 1)) + dot(by_head, value, input_precision, widen)
    share = prompt * tl.num_programs(1) + part
    store_softmax(greatest, total, seen, share, out, tokens, block)
    row, real = rows_of(tokens, block)
    at = gathered + share * (pairs * pairs) + row[:, None] * pairs + row[None, :]
    tl.store(at, factors, mask=real[:, None] & real[None, :])


@triton.jit(do_not_specialize=["tiles"])  # it differs with the number of prompts
def third(
    early_keys, late_keys, early_values, late_values, late_against, products, queries, against,
    early_queries, late_queries, position_queries, early_echoes, late_echoes, keys, position_keys, values,
    shift, norms, early_scale,
    image, scale, gathered, out,
    pixels, tiles, epsilon,
    tokens: tl.constexpr, block: tl.constexpr, tile: tl.constexpr,
    input_precision: tl.constexpr, widen: tl.constexpr,
):  # fmt: skip
    """Second image-to-token attention, which writes the final factors, and final token-to-image attention."""
    prompt, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    rows: tl.constexpr = HEADS * block
    pairs: tl.constexpr = HEADS * tokens
    size: tl.constexpr = 2 * pairs + 1
    number: tl.constexpr = early_queries.dtype.element_ty
    narrow = prompt * (pairs * CHANNELS)
    early_key, late_key = load_heads(early_keys + narrow, tokens, block), load_heads(late_keys + narrow, tokens, block)
    early_value = load_heads(early_values + narrow, tokens, block)
    late_value = load_heads(late_values + narrow, tokens, block)
    query = load_heads(queries + narrow, tokens, block)
    row, real = rows_of(tokens, block)
    own_products, own_against = products + prompt * (size * size), against + prompt * (pairs * size)
    constant_product = tl.load(own_products + (size * size - 1)).to(tl.float32)
    greatest = tl.full((rows,), float("-inf"), tl.float32)
    total = tl.zeros((rows,), tl.float32)
    seen = tl.zeros((HEADS, block, CHANNELS), tl.float32)
    early_factors, late_factors = tl.zeros((rows, rows), tl.float32), tl.zeros((rows, rows), tl.float32)
    constant_factors = tl.zeros((rows,), tl.float32)
    for start in range(part * tiles * tile, tl.minimum((part + 1) * tiles * tile, pixels), tile):
        columns = start + tl.arange(0, tile)
        valid = columns < pixels
        table = load_table(early_queries, columns, valid, pixels)
        before = tl.load(early_scale + prompt * pixels + columns, mask=valid, other=0.0)
        early = tl.reshape(over_tokens(dot(early_key, table, input_precision, widen), tokens, block), (rows, tile))
        early = early * before[None, :]

        logits = dot(late_key, load_table(late_queries, columns, valid, pixels), input_precision, widen)
        logits = logits * before[None, None, :]
        logits += dot(late_key, load_table(position_queries, columns, valid, pixels), input_precision, widen)
        pair = load_pairs(late_against + prompt * (pairs * pairs), pairs, tokens, block)
        logits += tl.reshape(dot(pair, early.to(number), input_precision, widen), (HEADS, block, tile))
        late = tl.reshape(over_tokens(logits, tokens, block), (rows, tile))

        shifted = tl.load(shift + columns, mask=valid, other=0.0).to(tl.float32)
        variance = tl.load(norms + columns, mask=valid, other=0.0) * before * before
        variance += shifted * before + constant_product
        echo = dot(early_value, load_table(early_echoes, columns, valid, pixels), input_precision, widen)
        spread = tl.reshape(echo, (rows, tile)) * before[None, :]
        spread += dot(load_pairs(own_products, size, tokens, block), early.to(number), input_precision, widen)
        crossing = load_pairs(own_products + pairs, size, tokens, block)
        spread += 2.0 * dot(crossing, late.to(number), input_precision, widen)
        own = load_column(own_products + 2 * pairs, size, tokens, block).to(tl.float32)
        spread += 2.0 * own[:, None]
        variance += tl.sum(spread * early, 0)
        echo = dot(late_value, load_table(late_echoes, columns, valid, pixels), input_precision, widen)
        spread = tl.reshape(echo, (rows, tile)) * before[None, :]
        inner = load_pairs(own_products + pairs * size + pairs, size, tokens, block)
        spread += dot(inner, late.to(number), input_precision, widen)
        own = load_column(own_products + pairs * size + 2 * pairs, size, tokens, block).to(tl.float32)
        spread += 2.0 * own[:, None]
        variance += tl.sum(spread * late, 0)

        deviation = inverse_deviation(variance, epsilon)
        both = before * deviation
        early, late = (early * deviation[None, :]).to(number), (late * deviation[None, :]).to(number)
        at = image + prompt * size * pixels + row[:, None] * pixels + columns[None, :]
        tl.store(at, early, mask=real[:, None] & valid[None, :])
        tl.store(at + pairs * pixels, late, mask=real[:, None] & valid[None, :])
        tl.store(image + (prompt * size + 2 * pairs) * pixels + columns, deviation.to(number), mask=valid)
        tl.store(scale + prompt * pixels + columns, both, mask=valid)

        logits = dot(query, load_table(keys, columns, valid, pixels), input_precision, widen) * both[None, None, :]
        logits += dot(query, load_table(position_keys, columns, valid, pixels), input_precision, widen)
        flat = tl.reshape(logits, (rows, tile))
        flat += dot(load_pairs(own_against, size, tokens, block), early, input_precision, widen)
        flat += dot(load_pairs(own_against + pairs, size, tokens, block), late, input_precision, widen)
        own = load_column(own_against + 2 * pairs, size, tokens, block).to(tl.float32)
        flat += own[:, None] * deviation[None, :]
        weights, greatest, kept = weigh(flat, valid, greatest)
        total = total * kept + tl.sum(weights, 1)
        narrowed = weights.to(number)
        early_factors = early_factors * kept[:, None] + dot(narrowed, tl.trans(early), input_precision, widen)
        late_factors = late_factors * kept[:, None] + dot(narrowed, tl.trans(late), input_precision, widen)
        constant_factors = constant_factors * kept + tl.sum(weights * deviation[None, :], 1)
        value = tl.permute(load_table(values, columns, valid, pixels), (0, 2, 1))
        by_head = tl.reshape(weights * both[None, :], (HEADS, block, tile)).to(number)
        seen = seen * tl.reshape(kept, (HEADS, block, 1)) + dot(by_head, value, input_precision, widen)
    share = prompt * tl.num_programs(1) + part
    store_softmax(greatest, total, seen, share, out, tokens, block)
    at = gathered + share * (pairs * size) + row[:, None] * size
    tl.store(at + row[None, :], early_factors, mask=real[:, None] & real[None, :])
    tl.store(at + pairs + row[None, :], late_factors, mask=real[:, None] & real[None, :])
    tl.store(gathered + share * (pairs * size) + row * size + 2 * pairs, constant_factors, mask=real)
