// The C interface of the kernels. All arrays are contiguous, no alignment is required, and they are float32 but for the
// tables of the sweeps, which are so with most instruction sets. With AVX512-BF16 products take operands in bfloat16, and
// a table has two neighbours in their depth beside each other: [tiles, 64, 64, 2] of a table [tiles, 128, 64], and
// [tiles, 32, 128, 2] of a transposed one, in both cases for the pairs of the middle dimension.
//
// Sizes: P prompts of T tokens, H = 8 heads of 16 channels, J = 8 T pairs (head, token), N image tokens in tiles of 64.
// The last token of each head has no factor (`samfleet_models.decoder.token_rows`): the first layer has F = 8 (T - 1)
// factors and a constant, E = F + 1 rows, both layers have K = 2 F + 2. Values of tokens are those of the last one of a
// head, and what the others differ from it.
// A table is [tiles, 128, 64]: for each tile the channels of all heads of its image tokens. A transposed table is
// [tiles, 64, 128]. Columns behind the last image token are ignored. `samfleet_models.decoder.two_way_pass` states the
// algebra; its names are used here.
#pragma once
#include <stdint.h>

#include "encoder.h"
#include "tokens.h"

extern "C" {

// With `by_tile` the factors [P, K, N] of the third sweep are [P, tiles, K, 64] instead: a tile is one block of memory
// then, and what is behind the last image token is written too.
struct SamfleetSizes {
    int64_t prompts, tokens, pixels, by_tile;
};

// First token-to-image attention.
struct SamfleetFirst {
    const float *queries;      // [P, J, 16]
    const float *keys;         // table, always float32
    const void *values;        // transposed table
    float *seen;               // out [P, J, 16]
};

// First image-to-token attention, its LayerNorm, and the second token-to-image attention.
struct SamfleetSecond {
    const float *early_keys;   // [P, J, 16]
    const float *echo_values;  // [P, J, 16] times 2 / 256
    const float *products;     // G / 256 [P, E, E], symmetric
    const float *queries;      // [P, J, 16]
    const float *against;      // [P, J, E]: the queries against the updates
    const void *early_queries, *echoes, *keys, *position_keys;  // tables
    const void *values;        // transposed table
    const float *norms;        // [N]
    float epsilon;
    float *scale;              // out r0 [P, N]
    float *gathered;           // out [P, J, E]
    float *seen;               // out [P, J, 16]
};

// Second image-to-token attention, its LayerNorm, and the final token-to-image attention.
struct SamfleetThird {
    const float *early_keys;   // [P, J, 16]
    const float *late_keys;    // [P, J, 16]
    const float *early_values, *late_values;  // [P, J, 16] times 2 / 256
    const float *late_against; // [P, J, E]
    const float *products;     // W W^T / 256 [P, K, K], symmetric
    const float *queries;      // [P, J, 16]
    const float *against;      // [P, J, K]
    const void *early_queries, *late_queries, *position_queries, *early_echoes, *late_echoes, *keys, *position_keys;
    const void *values;        // transposed table; the others are tables
    const float *shift;        // [N]
    const float *norms;        // [N]
    float epsilon;
    float *image;              // out r1 B [P, K, N], or by tile
    float *scale;              // in r0, out r1 r0 [P, N]
    float *gathered;           // out [P, J, K]
    float *seen;               // out [P, J, 16]
};

// T tokens, N image tokens in rows of `side`, M masks. With `together` the norm is one over all channels and pixels, else
// over the channels of each pixel. With `refined` there is a refining mask.
struct SamfleetDrawingSizes {
    int64_t tokens, pixels, side, masks, together, refined;
};

// A mask that is added to all masks of a prompt. `samfleet_models.decoder.fused_refining` states the algebra.
struct SamfleetRefining {
    const float *first;        // [6, 64, 96], rows (point along y, channel), columns (neighbour in x, feature)
    const float *first_bias;   // [64]
    const float *norm_weight, *norm_bias;  // [64]
    float epsilon;
    const float *taps;         // [9, 64], rows (y, x) of the neighbour that a pixel contributes to
    const float *image;        // [tiles, 512, 64], rows as of `terms` below: the image's own features
    const float *kernel;       // [32]
    const float *constant;     // [1]
};

// Masks of one prompt: both transposed convolutions, the LayerNorm and GELU between them, the GELU behind them, and the
// products with the masks' kernels. `samfleet_models.decoder.output_upscaling` states the algebra. Tables have 256
// (sub-pixel, channel) rows here: [tiles, 256, 64]. What is added before a LayerNorm has no mean over the channels.
struct SamfleetDrawing {
    const float *image;        // r1 B [tiles, K, 64]
    const float *scale;        // r1 r0 [N]
    const float *values;       // [2 H, T, 16] of both layers, of which the rows W are made
    const float *matrices;     // [2 H, 16, 256]: each head's matrix to channels times U
    const float *shift;        // [256]: what is added to the last constant, times U
    const float *base;         // K1 U, table
    const float *bias;         // [256] or null
    const float *constants;    // table or null
    const float *norm_weight, *norm_bias;  // [64]
    float epsilon;
    const float *second;       // [128, 64], rows (inner sub-pixel, channel)
    const float *second_bias;  // [128]
    const float *terms;        // [tiles, 512, 64], rows (sub-pixel, inner sub-pixel, channel), or null
    const float *kernels;      // [M, 32]
    const SamfleetRefining *refining;  // or null
    float *out;                // [M, 16 N], rows of 4 `side`
};

struct SamfleetMaskSizes {
    int64_t height, width;          // of the image
    int64_t low_height, low_width;  // of the logits
    int64_t low_stride;             // floats from one row of the logits to the next
    int64_t y_taps, x_taps;         // inputs of each output of the interpolation
    int64_t most_unsure;
};

// One mask of an image, packed by columns. Pixels within the tolerance, `error` times the largest absolute logit, of a
// threshold are listed and not decided. An output's taps are consecutive from its first; none behind the last input has
// a weight.
struct SamfleetMask {
    const float *logits;                 // [low_height, low_stride]
    const int32_t *y_first;              // [height]
    const float *y_weights;              // [height, y_taps]
    const int32_t *x_first;              // [width]
    const float *x_weights;              // [width, x_taps]
    double thresholds[3];                // the last is that of the bits
    double error;
    uint8_t *bits;                       // out: pixels certainly above the last threshold, x * height + y; bytes behind them stay
    int64_t *certain, *possible;         // out [3], zeros before: pixels certainly and possibly above each threshold
    int64_t *unsure;                     // out [3, most_unsure]: number of the threshold, x, y
    int64_t *unsure_count;               // out, 0 before; may exceed most_unsure
};

// Instruction sets that are compiled in and that this processor and its system support, as bits.
enum { SAMFLEET_BASELINE = 1, SAMFLEET_AVX2 = 2, SAMFLEET_AVX512 = 4, SAMFLEET_NEON = 8, SAMFLEET_AVX512BF16 = 16 };
uint32_t samfleet_supported(void);

// Sizes of the six structures above, without those of sizes, of those of encoder.h that are arguments, and of those of
// tokens.h, in this order; the caller compares them with its own.
void samfleet_struct_bytes(int64_t *bytes);
}
