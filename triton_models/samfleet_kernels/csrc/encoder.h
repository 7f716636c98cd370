// The C interface of the image encoders' kernels. All arrays are float32 and contiguous; images are [B, H, W, C].
//
// A call takes items, parts of the output, from the counter `next` until all are taken. Several threads call with the
// same structure, each with its own memory; the counter is 0 before.
#pragma once
#include <stdint.h>

extern "C" {

// A linear layer with packed weights: panels of 4 registers' columns (the last has the rest), each [inner, columns].
// `inner` is the sum over a convolution's taps. `outer` is a multiple of 16.
//
// In the encoders' kernels for AVX512-BF16 a layer has panels [inner / 2, columns] of pairs in bfloat16, two neighbours in
// `inner` each, and its rows are rounded likewise. Layers of other than a multiple of 16 channels, and those of inverted
// residual blocks without `residual`, stay float32.
struct SamfleetLayer {
    const void *weights;
    const float *bias;  // [outer]
    int64_t inner, outer;
};

// A depth-wise convolution of 3x3 with zero padding.
struct SamfleetDepthwise {
    const float *weights, *bias;  // [3, 3, C], [C]
};

// Inverted residual block of a multiple of 16 channels: 1x1 convolution and GELU, depth-wise convolution and GELU, 1x1
// convolution. With `residual` the input is added in the end, then GELU. The widened image exists for three lines at a
// time only.
struct SamfleetInvertedResidual {
    int64_t images, height, width;  // of the input
    int64_t stride, residual;
    int64_t bands;                  // parts of the output's lines, at most as many as there are lines
    SamfleetLayer widen;
    SamfleetDepthwise mix;
    SamfleetLayer narrow;
    const float *x;
    float *out;                     // [B, ceil(H / stride), ceil(W / stride), outer]
    int64_t *next;
};

// Windows of equal size: `tokens` pixels each. With one more key than tokens, the last key is that of all padding.
struct SamfleetRegion {
    int64_t windows, tokens, keys;
    const int64_t *places;          // [windows, tokens], among the pixels of an image
    const float *bias;              // [heads, tokens, keys up to a multiple of 16], -inf behind the keys
};

// x + attention of the normalised x, in windows. Rows of `inputs` are queries, keys and values, head by head; queries
// are scaled. A head has a multiple of 16 channels.
struct SamfleetWindowAttention {
    int64_t images, pixels, heads, regions;
    float epsilon;                  // of the LayerNorm, whose gain and shift are in `inputs`
    SamfleetLayer inputs;           // [C] to [3 C]
    const float *padding;           // [3 C], those of a padded token
    SamfleetLayer outputs;
    SamfleetRegion region[4];
    const float *x;                 // [B, pixels, C]
    float *out;
    int64_t *next;
};

// A depth-wise convolution, then on its result y: y + narrow(GELU(widen(normalised y))). Without `mixed` y is x, and
// without `normed` it is not normalised.
struct SamfleetFeedForward {
    int64_t images, height, width;
    int64_t mixed, normed;
    float epsilon;                  // of the LayerNorm, whose gain and shift are in `widen`
    SamfleetDepthwise mix;
    SamfleetLayer widen, narrow;
    const float *x;
    float *out;
    int64_t *next;
};

// A convolution over all channels, 3x3 with zero padding or 1x1 with stride 1; then GELU, or a LayerNorm over the
// channels, whose gain is null for none. A layer's inner numbers are lines, columns, channels.
struct SamfleetConvolution {
    SamfleetLayer layer;
    int64_t side, stride, gelu;
    float epsilon;
    const float *gain, *shift;      // [outer]
};

// Two convolutions, the second one of 3x3.
struct SamfleetConvolutionPair {
    int64_t images, height, width;  // of the input
    int64_t planar;                 // x is [B, C, H, W]; only if the first one is of 3x3 and C no multiple of 16
    int64_t bands;                  // parts of the output's lines, at most as many as there are lines
    SamfleetConvolution first, second;
    const float *x;
    float *out;
    int64_t *next;
};
}
