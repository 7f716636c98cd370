// Transposition in squares of four by four numbers.
#pragma once
#include "vectors.h"

namespace {

typedef float Four __attribute__((vector_size(16)));
typedef int32_t FourIndices __attribute__((vector_size(16)));

#if defined(__clang__)
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, FourIndices{i, j, k, l})
#endif

// Transpose a square of `from` [4, ld_from] to `to` [4, ld_to].
INLINE void transpose_four(const float *from, int64_t ld_from, float *to, int64_t ld_to) {
    Four line[4];
    for (int i = 0; i < 4; i++) memcpy(&line[i], from + i * ld_from, sizeof(Four));
    Four low = SHUFFLE(line[0], line[1], 0, 4, 1, 5), high = SHUFFLE(line[0], line[1], 2, 6, 3, 7);
    Four other = SHUFFLE(line[2], line[3], 0, 4, 1, 5), rest = SHUFFLE(line[2], line[3], 2, 6, 3, 7);
    Four turned[4] = {
        SHUFFLE(low, other, 0, 1, 4, 5), SHUFFLE(low, other, 2, 3, 6, 7),
        SHUFFLE(high, rest, 0, 1, 4, 5), SHUFFLE(high, rest, 2, 3, 6, 7)};
    for (int i = 0; i < 4; i++) memcpy(to + i * ld_to, &turned[i], sizeof(Four));
}

// Write four rows [4, ld] as one, their numbers in turns: to [4 * length].
INLINE void interleave_four(const float *rows, int64_t ld, int64_t length, float *to) {
    int64_t i = 0;
    for (; i + 4 <= length; i += 4) transpose_four(rows + i, ld, to + 4 * i, 4);
    for (; i < length; i++)
        for (int64_t x = 0; x < 4; x++) to[4 * i + x] = rows[x * ld + i];
}

}  // namespace
