// Left operands of the sweeps: matrices whose rows belong to heads, and quadratic forms, packed by panels.
#pragma once
#include "products.h"

namespace {

// Packs a matrix whose rows belong to heads: the panels of each head on their own, `tokens` rows each.
INLINE void pack_heads(const float *matrix, int64_t tokens, int64_t columns, float *packed) {
    for (int64_t head = 0; head < HEADS; head++) {
        int64_t start = head * tokens * columns;
        each_panel(tokens, Packing{matrix + start, columns, 0, columns, packed + start});
    }
}

// Packs the values of T tokens of each head, [H, T, 16]: the panels of the first T - 1, and the last one of all heads
// as one row of 128.
INLINE void pack_values(const float *values, int64_t tokens, float *differences, float *constant) {
    int64_t others = tokens - 1;
    for (int64_t head = 0; head < HEADS; head++) {
        const float *own = values + head * tokens * CHANNELS;
        float *panels = differences + head * others * CHANNELS;
        each_panel(others, Packing{own, CHANNELS, 0, CHANNELS, panels});
        memcpy(constant + head * CHANNELS, own + others * CHANNELS, sizeof(float) * CHANNELS);
    }
}

// Packs the quadratic form of a symmetric matrix [size, size]: for each panel the columns from its first row on, those
// above the diagonal doubled and those below it zero.
struct TrianglePacking {
    const float *matrix;
    int64_t offset, size;
    float **packed;

    template <int R>
    void run(int64_t row) const {
        int64_t first = offset + row;
        for (int64_t k = first; k < size; k++)
            for (int64_t own = first; own < first + R; own++)
                *(*packed)++ = k < own ? 0.f : (k == own ? 1.f : 2.f) * matrix[own * size + k];
    }
};

// The panels of the rows in the order of the factors: a layer's heads, `others` rows each, and its constant row; those
// of a second layer start with the constant.
INLINE void pack_triangle(const float *matrix, int64_t others, int layers, float *packed) {
    int64_t each = HEADS * others, size = layers * (each + 1);
    float *next = packed;
    for (int64_t head = 0; head < HEADS; head++)
        each_panel(others, TrianglePacking{matrix, head * others, size, &next});
    for (int layer = 0; layer < layers; layer++) TrianglePacking{matrix, each + layer, size, &next}.run<1>(0);
    for (int64_t head = 0; layers == 2 && head < HEADS; head++)
        each_panel(others, TrianglePacking{matrix, each + 2 + head * others, size, &next});
}

}  // namespace
