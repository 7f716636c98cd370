// The steps of a sweep on one tile of 64 image tokens of one prompt.
#pragma once
#include "operands.h"
#include "softmax.h"

namespace {

// Logits of one head: (queries · table * inner + against · factors) * outer + queries · plain. What is null is left out.
// Of the factors, those of the layers' constant rows stay numbers: their logits are large, and rounded to bfloat16 they
// left errors of 1 % in the tokens.
template <class Number>
struct Logits {
    int64_t tokens;
    const Number *queries;            // packed [J, 16]
    const Number *table;              // of the tile
    float *out;                       // [J, 64]
    const float *inner = nullptr;     // [64]
    const Operand *against = nullptr;  // packed [J, depth]
    const Operand *factors = nullptr;  // [depth, 64]
    int64_t depth = 0;
    const float *against_constants = nullptr;  // packed [J, layers]
    const float *constants = nullptr;          // [layers, 64]
    int64_t layers = 0;
    const float *outer = nullptr;     // [64]
    const Number *plain = nullptr;    // table of the tile
    int64_t head = 0;

    template <int R>
    void run(int64_t first) const {
        constexpr int64_t NARROW = CHANNELS / numbers_of<Number>();
        int64_t row = head * tokens + first, rows = head * NARROW * TILE, wide = steps(depth);
        for (int64_t column = 0; column < TILE; column += CHUNK) {
            Sums<R, COLUMNS> sums;
            sums.clear();
            sums.add(queries + row * NARROW, table + rows + column, TILE, NARROW);
            if (inner) sums.scale(inner + column);
            if (against) {
                sums.add(against + row * wide, factors + column, TILE, wide);
                sums.add(against_constants + row * layers, constants + column, TILE, layers);
            }
            if (outer) sums.scale(outer + column);
            if (plain) sums.add(queries + row * NARROW, plain + rows + column, TILE, NARROW);
            sums.write(out + row * TILE + column, TILE);
        }
    }
};

template <class Number>
INLINE void all_heads(Logits<Number> work) {
    for (work.head = 0; work.head < HEADS; work.head++) each_panel<HEAD_ROWS>(work.tokens, work);
}

// Adds to `variance` the terms of some rows: factors * (values · echoes * scale + triangle · factors), summed over them.
struct Variance {
    int64_t size;              // of all rows of the factors
    const float *scale;        // [64] or null
    const float *factors;      // [size, 64]
    float *variance;           // [64]
    const float *triangle;     // next packed panel
    const Operand *values = nullptr, *echoes = nullptr;  // packed [rows, depth], and [depth, 64] of the tile's table
    int64_t depth = 0;
    int64_t row = 0;           // of the factors, the next one

    template <int R>
    void run(int64_t first) {
        int64_t own = row + first;
        for (int64_t column = 0; column < TILE; column += CHUNK) {
            Sums<R, COLUMNS> sums;
            sums.clear();
            sums.add(values + first * steps(depth), echoes + column, TILE, steps(depth));
            if (scale) sums.scale(scale + column);
            sums.add(triangle, factors + own * TILE + column, TILE, size - own);
            sums.dot(factors + own * TILE + column, TILE, variance + column);
        }
        triangle += R * (size - own);
    }

    // The rows of a layer's heads, `others` of each.
    INLINE void heads(int64_t others, const Operand *packed, const Operand *table) {
        depth = CHANNELS;
        for (int64_t head = 0; head < HEADS; head++, row += others) {
            values = packed + head * others * steps(CHANNELS);
            echoes = table + head * steps(CHANNELS) * TILE;
            each_panel(others, *this);
        }
    }

    // The constant row of a layer.
    INLINE void constant(const Operand *packed, const Operand *table) {
        depth = WIDTH;
        values = packed;
        echoes = table;
        run<1>(0);
        row++;
    }
};

// seen [J, 16] += weights [J, 64] · values, one head at a time. A tile is summed on its own first: adding thousands of
// tokens to one sum would lose three times as much to rounding.
struct Seeing {
    int64_t tokens;
    const Operand *weights;
    const Operand *values;  // transposed table of the tile
    float *seen;
    int64_t head = 0;

    template <int R>
    void run(int64_t first) const {
        // With one register to a row, two sums take turns: a sum alone waits for the one before it.
        constexpr int SPAN = CHANNELS / LANES > 2 ? 2 : CHANNELS / LANES, PARTS = SPAN == 1 ? 2 : 1;
        int64_t row = head * tokens + first;
        for (int64_t channel = 0; channel < CHANNELS; channel += SPAN * LANES) {
            Sums<R, SPAN> sums[PARTS];
            float *to = seen + row * CHANNELS + channel;
            const Operand *own = weights + row * steps(TILE), *from = values + head * CHANNELS + channel;
            for (auto &part : sums) part.clear();
            for (int64_t k = 0; k < steps(TILE); k += PARTS)
                for (int part = 0; part < PARTS; part++)
                    sums[part].add_strided(own + k + part, 1, steps(TILE), from + (k + part) * WIDTH, WIDTH, 1);
            for (int part = 1; part < PARTS; part++) sums[0].add_sums(sums[part]);
            sums[0].add_matrix(to, CHANNELS);
            sums[0].write(to, CHANNELS);
        }
    }
};

INLINE void see(Seeing work) {
    for (work.head = 0; work.head < HEADS; work.head++) each_panel<HEAD_ROWS>(work.tokens, work);
}

// gathered [J, padded] += weights [J, 64] · factors [64, padded].
struct Gathering {
    const Operand *weights, *factors;
    int64_t padded;
    float *gathered;

    template <int R, int C>
    INLINE void part(int64_t row, int64_t column) const {
        Sums<R, C> sums;
        float *to = gathered + row * padded + column;
        sums.clear();
        sums.add_strided(weights + row * steps(TILE), 1, steps(TILE), factors + column, padded, steps(TILE));
        sums.add_matrix(to, padded);
        sums.write(to, padded);
    }

    template <int R>
    void run(int64_t row) const {
        int64_t column = 0;
        for (; column + LANES * GATHERED_COLUMNS <= padded; column += LANES * GATHERED_COLUMNS)
            part<R, GATHERED_COLUMNS>(row, column);
        for (; column < padded; column += LANES) part<R, 1>(row, column);
    }
};

INLINE void gather(const Gathering &work, int64_t pairs) { each_panel<GATHERED_ROWS>(pairs, work); }

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
