// The steps of a sweep on one tile of 64 image tokens of one prompt.
#pragma once
#include "softmax.h"

namespace {

// Logits of one head: (queries · scaled) * scale + queries · plain + against · factors. Null terms are left out.
struct Logits {
    int64_t head, tokens;
    const float *queries;            // packed [J, 16]
    const float *scaled, *scale;     // table of the tile, [64]
    const float *plain;              // table of the tile
    const float *against, *factors;  // packed [J, depth], [depth, 64]
    int64_t depth;
    float *out;                      // [J, 64]

    template <int R>
    void run(int64_t first) const {
        int64_t row = head * tokens + first, rows = head * CHANNELS * TILE;
        for (int64_t column = 0; column < TILE; column += CHUNK) {
            Sums<R, COLUMNS> sums;
            sums.clear();
            sums.add(queries + row * CHANNELS, scaled + rows + column, TILE, CHANNELS);
            if (scale) sums.scale(scale + column);
            if (plain) sums.add(queries + row * CHANNELS, plain + rows + column, TILE, CHANNELS);
            if (against) sums.add(against + row * depth, factors + column, TILE, depth);
            sums.write(out + row * TILE + column, TILE);
        }
    }
};

INLINE void all_heads(Logits work) {
    for (work.head = 0; work.head < HEADS; work.head++) each_panel(work.tokens, work);
}

// Adds to `variance` the terms of one head: factors * (values · echoes * scale + triangle · factors), summed over rows.
struct Variance {
    int64_t tokens, size;      // size: all rows of the factors
    const float *scale;        // [64] or null
    const float *factors;      // [size, 64]
    float *variance;           // [64]
    const float **triangle;    // next packed panel
    const float *values;       // packed [J, 16] of the layer
    const float *echoes;       // table of the tile
    int64_t head, offset;      // offset: first row of the layer in the factors

    template <int R>
    void run(int64_t first) const {
        int64_t row = head * tokens + first, rows = head * CHANNELS * TILE, own = offset + row;
        for (int64_t column = 0; column < TILE; column += CHUNK) {
            Sums<R, COLUMNS> sums;
            sums.clear();
            sums.add(values + row * CHANNELS, echoes + rows + column, TILE, CHANNELS);
            if (scale) sums.scale(scale + column);
            sums.add(*triangle, factors + own * TILE + column, TILE, size - own);
            sums.dot(factors + own * TILE + column, TILE, variance + column);
        }
        *triangle += R * (size - own);
    }
};

INLINE void all_heads(Variance work) {
    for (work.head = 0; work.head < HEADS; work.head++) each_panel(work.tokens, work);
}

// seen [J, 16] += weights [J, 64] · values, one head at a time. A tile is summed on its own first: adding thousands of
// tokens to one sum would lose three times as much to rounding.
struct Seeing {
    int64_t head, tokens;
    const float *weights;
    const float *values;  // transposed table of the tile
    float *seen;

    template <int R>
    void run(int64_t first) const {
        // With one register to a row, two sums take turns: a sum alone waits for the one before it.
        constexpr int SPAN = CHANNELS / LANES > 2 ? 2 : CHANNELS / LANES, PARTS = SPAN == 1 ? 2 : 1;
        int64_t row = head * tokens + first;
        for (int64_t channel = 0; channel < CHANNELS; channel += SPAN * LANES) {
            Sums<R, SPAN> sums[PARTS];
            float *to = seen + row * CHANNELS + channel;
            const float *own = weights + row * TILE, *from = values + head * CHANNELS + channel;
            for (auto &part : sums) part.clear();
            for (int64_t k = 0; k < TILE; k += PARTS)
                for (int part = 0; part < PARTS; part++)
                    sums[part].add_strided(own + k + part, 1, TILE, from + (k + part) * WIDTH, WIDTH, 1);
            for (int part = 1; part < PARTS; part++) sums[0].add_sums(sums[part]);
            sums[0].add_matrix(to, CHANNELS);
            sums[0].write(to, CHANNELS);
        }
    }
};

INLINE void see(Seeing work) {
    for (work.head = 0; work.head < HEADS; work.head++) each_panel(work.tokens, work);
}

// gathered [rows, padded] += factors [rows, 64] · weights [64, padded].
struct Gathering {
    const float *factors, *weights;
    int64_t padded;
    float *gathered;

    template <int R, int C>
    INLINE void part(int64_t row, int64_t column) const {
        Sums<R, C> sums;
        float *to = gathered + row * padded + column;
        sums.clear();
        sums.add_strided(factors + row * TILE, 1, TILE, weights + column, padded, TILE);
        sums.add_matrix(to, padded);
        sums.write(to, padded);
    }

    template <int R>
    void run(int64_t row) const {
        int64_t column = 0;
        for (; column + CHUNK <= padded; column += CHUNK) part<R, COLUMNS>(row, column);
        for (; column < padded; column += LANES) part<R, 1>(row, column);
    }
};

// scale = 1 / sqrt(max(variance, 0) + epsilon), which keeps NaN.
INLINE void inverse_deviation(const float *variance, float epsilon, float *scale) {
    for (int64_t column = 0; column < TILE; column++) {
        float value = variance[column] < 0.f ? 0.f : variance[column];
        scale[column] = 1.f / sqrtf(value + epsilon);
    }
}

// rows of `x` [rows, 64] times `by` [64], into `out`.
INLINE void scale_rows(const float *x, int64_t rows, const float *by, float *out) {
    for (int64_t column = 0; column < TILE; column += LANES) {
        Vector factor = load(by + column);
        for (int64_t row = 0; row < rows; row++)
            store(out + row * TILE + column, load(x + row * TILE + column) * factor);
    }
}

}  // namespace
