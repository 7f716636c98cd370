// Matrix products with one tile of 64 image tokens, and the packing of their left operands.
#pragma once
#include "vectors.h"

namespace {

constexpr int64_t TILE = 64, HEADS = 8, CHANNELS = 16, WIDTH = HEADS * CHANNELS;
constexpr int CHUNK = LANES * COLUMNS;

// What a product takes of its operands at a time: a number, or with AVX512-BF16 two neighbours in the product's depth,
// rounded to bfloat16. Sums are float32.
#if defined(__AVX512BF16__)

struct Pair {
    uint32_t bits;  // the first number in the low half
};
typedef Pair Operand;
constexpr int STEP = 2;

INLINE __m512bh load(const Pair *from) { return (__m512bh)_mm512_loadu_si512(from); }

// Write numbers as operands, rounded to the nearest bfloat16, of two the even one; NaN remains NaN.
INLINE void store(Pair *to, Vector x) { _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh((__m512)x)); }

INLINE Vector multiply_add(Vector sum, Pair a, __m512bh b) {
    return (Vector)_mm512_dpbf16_ps((__m512)sum, b, (__m512bh)_mm512_set1_epi32((int)a.bits));
}

#else

typedef float Operand;
constexpr int STEP = 1;

#endif

INLINE Vector multiply_add(Vector sum, float a, Vector b) { return sum + a * b; }

// How many numbers an operand has.
template <class Number>
constexpr int64_t numbers_of() {
    return 1;
}
template <>
constexpr int64_t numbers_of<Operand>() {
    return STEP;
}

// Number of operands in a depth of so many numbers.
constexpr int64_t steps(int64_t depth) { return (depth + STEP - 1) / STEP; }

// Sums of R rows and C registers of columns.
template <int R, int C>
struct Sums {
    Vector at[R][C];

    INLINE void clear() {
#pragma GCC unroll 8
        for (int row = 0; row < R; row++)
#pragma GCC unroll 8
            for (int column = 0; column < C; column++) at[row][column] = Vector{};
    }

    // Add left [depth, R] (packed) times right [depth, ld]; the depth counts what a product takes at a time.
    template <class Number>
    INLINE void add(const Number *left, const Number *right, int64_t ld, int64_t depth) {
        add_strided(left, R, 1, right, ld, depth);
    }

    // Add left times right [depth, ld]; left is at [k * step + row * stride].
    template <class Number>
    INLINE void add_strided(
        const Number *left, int64_t step, int64_t stride, const Number *right, int64_t ld, int64_t depth) {
        for (int64_t k = 0; k < depth; k++) {
            decltype(load(right)) b[C];
#pragma GCC unroll 8
            for (int column = 0; column < C; column++) b[column] = load(right + k * ld + column * LANES);
#pragma GCC unroll 8
            for (int row = 0; row < R; row++) {
                Number a = left[k * step + row * stride];
#pragma GCC unroll 8
                for (int column = 0; column < C; column++)
                    at[row][column] = multiply_add(at[row][column], a, b[column]);
            }
        }
    }

    INLINE void scale(const float *by) {
#pragma GCC unroll 8
        for (int column = 0; column < C; column++) {
            Vector factor = load(by + column * LANES);
#pragma GCC unroll 8
            for (int row = 0; row < R; row++) at[row][column] *= factor;
        }
    }

    // Add by[row] to all columns.
    INLINE void add_to_rows(const float *by) {
#pragma GCC unroll 8
        for (int row = 0; row < R; row++)
#pragma GCC unroll 8
            for (int column = 0; column < C; column++) at[row][column] += broadcast(by[row]);
    }

    INLINE void add_sums(const Sums &other) {
#pragma GCC unroll 8
        for (int row = 0; row < R; row++)
#pragma GCC unroll 8
            for (int column = 0; column < C; column++) at[row][column] += other.at[row][column];
    }

    INLINE void add_matrix(const float *from, int64_t ld) {
#pragma GCC unroll 8
        for (int row = 0; row < R; row++)
#pragma GCC unroll 8
            for (int column = 0; column < C; column++) at[row][column] += load(from + row * ld + column * LANES);
    }

    INLINE void read(const float *from, int64_t ld) {
#pragma GCC unroll 8
        for (int row = 0; row < R; row++)
#pragma GCC unroll 8
            for (int column = 0; column < C; column++) at[row][column] = load(from + row * ld + column * LANES);
    }

    INLINE void write(float *to, int64_t ld) const {
#pragma GCC unroll 8
        for (int row = 0; row < R; row++)
#pragma GCC unroll 8
            for (int column = 0; column < C; column++) store(to + row * ld + column * LANES, at[row][column]);
    }

    // Add the sums over the rows of these sums times `other` [R, ld] to `out`.
    INLINE void dot(const float *other, int64_t ld, float *out) const {
#pragma GCC unroll 8
        for (int column = 0; column < C; column++) {
            Vector sum = load(out + column * LANES);
#pragma GCC unroll 8
            for (int row = 0; row < R; row++) sum += at[row][column] * load(other + row * ld + column * LANES);
            store(out + column * LANES, sum);
        }
    }

    // Add the sums over the rows of the squares of these sums to `out`.
    INLINE void dot_self(float *out) const {
#pragma GCC unroll 8
        for (int column = 0; column < C; column++) {
            Vector sum = load(out + column * LANES);
#pragma GCC unroll 8
            for (int row = 0; row < R; row++) sum += at[row][column] * at[row][column];
            store(out + column * LANES, sum);
        }
    }
};

// The tile's columns of a row [N], followed by zeros.
INLINE void read_row(const float *from, int64_t valid, float *to) {
    for (int64_t column = valid; column < TILE; column++) to[column] = 0;
    memcpy(to, from, sizeof(float) * valid);
}

// Calls work.run<R>(first) for panels of at most MOST rows of nearly equal size, from the first row to the last.
template <int MOST = ROWS, class Work>
INLINE void each_panel(int64_t rows, Work &&work) {
    static_assert(MOST >= 6 && MOST <= 8, "these are the sizes that the switch has");
    int64_t panels = (rows + MOST - 1) / MOST;
    for (int64_t panel = 0; panel < panels; panel++) {
        int64_t first = rows * panel / panels, size = rows * (panel + 1) / panels - first;
        switch (size) {
            case 1: work.template run<1>(first); break;
            case 2: work.template run<2>(first); break;
            case 3: work.template run<3>(first); break;
            case 4: work.template run<4>(first); break;
            case 5: work.template run<5>(first); break;
            case 6: work.template run<6>(first); break;
            case 7: work.template run<MOST >= 7 ? 7 : 6>(first); break;
            default: work.template run<MOST>(first); break;
        }
    }
}

// Packs `matrix` [rows, ld], columns from `from` to `to`, as panels [to - from, R] one after the other.
struct Packing {
    const float *matrix;
    int64_t ld, from, to;
    float *packed;

    template <int R>
    void run(int64_t first) const {
        float *panel = packed + first * (to - from);
        for (int64_t k = from; k < to; k++)
            for (int row = 0; row < R; row++) *panel++ = matrix[(first + row) * ld + k];
    }
};

// out [T, width] = left [T, 16] · matrix [16, width], for one head.
struct HeadRows {
    const float *left, *matrix;
    int64_t width;
    float *out;

    template <int R>
    void run(int64_t first) const {
        for (int64_t column = 0; column < width; column += CHUNK) {
            Sums<R, COLUMNS> sums;
            sums.clear();
            sums.add_strided(left + first * CHANNELS, 1, CHANNELS, matrix + column, width, CHANNELS);
            sums.write(out + first * width + column, width);
        }
    }
};

}  // namespace
