// The C interface of the steps on tokens between the sweeps. All arrays are float32 and contiguous.
//
// Tokens are rows [P, T, 256]; `positions` are the prompt, which attentions add to them. Queries, keys and values of the
// sweeps are by head, [P, 8, T, 16]. Rows that prompts add to the image tokens are not formed: products with them are
// products of the values that they are made of with matrices of the decoder (`samfleet_models.decoder.token_rows`).
// L layers have K = L (8 (T - 1) + 1) rows: those of each layer's heads without the last token, then the constants.
#pragma once
#include <stdint.h>

#include "encoder.h"

extern "C" {

struct SamfleetNorm {
    const float *gain, *shift;      // [256]
    float epsilon;
};

// out = norm(attention + residual). Queries and keys read x, with `positioned_keys` x + positions, and the values those
// with `positioned_values`; the residual is what the values read, if any.
struct SamfleetTokenAttention {
    int64_t prompts, tokens, positioned_keys, positioned_values, residual;
    SamfleetLayer queries, keys, values, outputs;  // [256] to [256]; queries are scaled
    SamfleetNorm norm;
    const float *x, *positions;
    float *out;                     // [P, T, 256]
};

// A projection [256] to [128] of x, or of x + positions.
struct SamfleetProjection {
    SamfleetLayer layer;
    int64_t positioned;
    int64_t minus;                  // subtract from all tokens but the last: 0 nothing, 1 the last, 2 the mean, which replaces it
    float *out;                     // [P, 8, T, 16]; null for none
};

struct SamfleetProjections {
    int64_t prompts, tokens;
    SamfleetProjection each[3];
    const float *x, *positions;
};

// y = norm(x + outputs(seen)); out = y or, with hidden channels, last_norm(y + narrow(activation(widen(y)))).
struct SamfleetTokenUpdate {
    int64_t prompts, tokens;
    int64_t hidden, gelu;           // a multiple of 256; GELU instead of ReLU
    SamfleetLayer outputs;          // [128] to [256]
    SamfleetNorm norm, last_norm;
    const float *widen, *widen_bias;    // layers [256] to [256], one for each 256 hidden channels
    const float *narrow, *narrow_bias;  // layers [256] to [256], one for each 256 hidden channels; one bias [256]
    const float *x, *seen;          // seen [P, 8, T, 16]
    float *out;                     // [P, T, 256]
};

// Products of rows, in the space of the image's channels, with the rows of a prompt. `left` are numbers of heads and
// `matrices` their head's matrix to channels times the rows' matrices.
struct SamfleetRowProducts {
    int64_t prompts, tokens, layers;
    const float *left;              // [P, 8, T, 16]
    const float *matrices;          // [8, 16, 128 L]
    const float *shifts;            // [8, 16]: what is added to the last constant, under the left matrices; null for none
    const float *values;            // [P, 8 L, T, 16]
    float *out;                     // [P, 8 T, K]
};

// Products of the rows with each other. Only those from the diagonal on are defined.
struct SamfleetRowSquares {
    int64_t prompts, tokens, layers;
    const float *matrices;          // [8 L, 16, 128 L]
    const float *shift;             // [128 L]: what is added to the last constant, times the rows' matrices; null for none
    float shift_square;             // and times itself
    const float *values;            // [P, 8 L, T, 16]
    float *out;                     // [P, K, K]
};

// seen += gathered · rows, under the matrix of each head.
struct SamfleetGatheredRows {
    int64_t prompts, tokens, layers;
    const float *gathered;          // [P, 8 T, K]
    const float *values;            // [P, 8 L, T, 16]
    const float *matrices;          // [8, 128 L, 16]: the rows' matrices times the head's
    const float *shifts;            // [8, 16]: the shift of the last constant under the head's matrix; null for none
    float *seen;                    // [P, 8, T, 16]
};
}
