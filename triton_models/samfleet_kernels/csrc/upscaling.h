// Sizes of the up-scaling, and the steps that its convolutions share: products with a tile, and norm and GELU of it.
#pragma once
#include "products.h"

namespace {

constexpr int64_t SUBPIXELS = 4, HIDDEN = 64, FEATURES = 32, PIXELS = SUBPIXELS * SUBPIXELS;
constexpr int64_t CELL = 4;  // an image token is CELL x CELL pixels of a mask

// out [rows, 64] = packed · operand + bias + terms.
template <class Number>
struct Layer {
    const Number *packed, *operand;  // packed [rows, depth], [depth, 64]; the depth counts what a product takes at a time
    int64_t depth;
    const float *bias, *terms;      // [rows] or null, [rows, 64] or null
    float *out;

    template <int R>
    void run(int64_t first) const {
        for (int64_t column = 0; column < TILE; column += CHUNK) {
            int64_t at = first * TILE + column;
            Sums<R, COLUMNS> sums;
            sums.clear();
            if (bias) sums.add_to_rows(bias + first);
            if (terms) sums.add_matrix(terms + at, TILE);
            sums.add(packed + first * depth, operand + column, TILE, depth);
            sums.write(out + at, TILE);
        }
    }
};

// Turns sums of squares over the channels of numbers without a mean into the factors of a LayerNorm.
INLINE void invert_deviations(float *squares, float epsilon) {
    for (int64_t column = 0; column < TILE; column++) squares[column] = 1.f / sqrtf(squares[column] / HIDDEN + epsilon);
}

// hidden [64, 64] becomes the GELU of (hidden * scale - shift) * weight + bias, with a scale for each column.
INLINE void activate(float *hidden, const float *scale, float shift, const float *weight, const float *bias) {
    for (int64_t channel = 0; channel < HIDDEN; channel++) {
        Vector factor = broadcast(weight[channel]), term = broadcast(bias[channel] - shift * weight[channel]);
        float *row = hidden + channel * TILE;
        for (int64_t column = 0; column < TILE; column += LANES)
            store(row + column, gelu(load(row + column) * load(scale + column) * factor + term));
    }
}

}  // namespace
