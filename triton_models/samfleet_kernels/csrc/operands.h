// Operands of the sweeps' products. Left ones are packed by panels: matrices whose rows belong to heads, and quadratic
// forms. Right ones are rows of a tile.
#pragma once
#include "products.h"
#include "transpose.h"

namespace {

#if defined(__AVX512BF16__)

// Round to the nearest bfloat16, of two the even one; NaN remains NaN.
INLINE uint32_t rounded(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return x == x ? (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 : 0x7FC0;
}

// `next` is ignored where an operand is one number.
INLINE Operand operand(float x, float next) { return Pair{rounded(x) | rounded(next) << 16}; }

// Two registers of numbers, rounded, `low` first.
INLINE __m512i rounded(Vector low, Vector high) { return (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low); }

// The operands [steps, 64] of rows [rows, 64] that are summed over. A last odd row has zeros beside it.
INLINE const Operand *summed_over(const float *from, int64_t rows, Operand *to) {
    alignas(64) static const int16_t ORDER[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                  8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i order = _mm512_load_si512(ORDER);
    for (int64_t row = 0; row < rows; row += 2)
        for (int64_t column = 0; column < TILE; column += LANES) {
            const float *own = from + row * TILE + column;
            Vector next = row + 1 < rows ? load(own + TILE) : Vector{};
            __m512i pairs = _mm512_permutexvar_epi16(order, rounded(load(own), next));
            _mm512_storeu_si512(to + row / 2 * TILE + column, pairs);
        }
    return to;
}

// The operands [rows, steps] of rows [rows, 64] times the image tokens.
INLINE const Operand *over_tokens(const float *from, int64_t rows, Operand *to) {
    for (int64_t at = 0; at < rows * TILE; at += 2 * LANES)
        _mm512_storeu_si512(to + at / 2, rounded(load(from + at), load(from + at + LANES)));
    return to;
}

#else

INLINE Operand operand(float x, float) { return x; }
INLINE const Operand *summed_over(const float *from, int64_t, Operand *) { return from; }
INLINE const Operand *over_tokens(const float *from, int64_t, Operand *) { return from; }

#endif

// Packs columns of `matrix` [rows, ld] as panels of operands [steps, R] one after the other.
struct OperandPacking {
    const float *matrix;
    int64_t ld, columns;
    Operand *packed;

    template <int R>
    void run(int64_t first) const {
        Operand *panel = packed + first * steps(columns);
        for (int64_t k = 0; k < columns; k += STEP)
            for (int row = 0; row < R; row++) {
                const float *own = matrix + (first + row) * ld + k;
                *panel++ = operand(own[0], k + 1 < columns ? own[1] : 0.f);
            }
    }
};

// Packs columns of a matrix [J, ld] whose rows belong to heads: the panels of each head on their own, `tokens` rows each.
INLINE void pack_heads(const float *matrix, int64_t ld, int64_t tokens, int64_t columns, Operand *packed) {
    for (int64_t head = 0; head < HEADS; head++) {
        int64_t row = head * tokens;
        each_panel<HEAD_ROWS>(tokens, OperandPacking{matrix + row * ld, ld, columns, packed + row * steps(columns)});
    }
}

// Packs columns of such a matrix as numbers.
INLINE void pack_numbers(const float *matrix, int64_t ld, int64_t tokens, int64_t columns, float *packed) {
    for (int64_t head = 0; head < HEADS; head++) {
        int64_t row = head * tokens;
        each_panel<HEAD_ROWS>(tokens, Packing{matrix + row * ld, ld, 0, columns, packed + row * columns});
    }
}

// Packs the values of T tokens of each head, [H, T, 16]: the panels of the first T - 1, and the last one of all heads
// as one row of 128.
INLINE void pack_values(const float *values, int64_t tokens, Operand *differences, Operand *constant) {
    int64_t others = tokens - 1, narrow = steps(CHANNELS);
    for (int64_t head = 0; head < HEADS; head++) {
        const float *own = values + head * tokens * CHANNELS;
        each_panel(others, OperandPacking{own, CHANNELS, CHANNELS, differences + head * others * narrow});
        OperandPacking{own + others * CHANNELS, CHANNELS, CHANNELS, constant + head * narrow}.run<1>(0);
    }
}

// Packs the quadratic form of a symmetric matrix [size, size]: for each panel the columns from its first row on, those
// above the diagonal doubled and those below it zero. It stays in float32: its terms cancel, and rounded to bfloat16
// they left errors of 2 % in the tokens.
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

// The panels of the rows in the order of the factors: those of each layer's heads, `others` rows each, and the constants.
INLINE void pack_triangle(const float *matrix, int64_t others, int layers, float *packed) {
    TrianglePacking work{matrix, 0, layers * (HEADS * others + 1), &packed};
    for (int64_t head = 0; head < layers * HEADS; head++, work.offset += others) each_panel(others, work);
    for (int layer = 0; layer < layers; layer++, work.offset++) work.run<1>(0);
}

// Transpose operands over the image tokens [rows, steps] to [steps, ld]; rows is a multiple of 4.
INLINE void transpose(const Operand *from, int64_t rows, Operand *to, int64_t ld) {
    constexpr int64_t COLUMNS_OF_TILE = TILE / STEP;
    for (int64_t row = 0; row < rows; row += 4)
        for (int64_t column = 0; column < COLUMNS_OF_TILE; column += 4)
            transpose_four((const float *)(from + row * COLUMNS_OF_TILE + column), COLUMNS_OF_TILE,
                           (float *)(to + column * ld + row), ld);
}

}  // namespace
