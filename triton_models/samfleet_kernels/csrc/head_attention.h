// One head of an attention whose keys fit the caches.
#pragma once
#include "layers.h"
#include "transpose.h"

namespace {

INLINE int64_t padded_keys(int64_t keys) { return (keys + LINE - 1) / LINE * LINE; }

// Transpose the keys of a head, rows `ld` apart, to `to` [depth, padded], with zeros behind the last key.
INLINE void transpose_keys(const float *from, int64_t ld, int64_t keys, int64_t depth, float *to) {
    int64_t padded = padded_keys(keys), key = 0;
    for (; key + 4 <= keys; key += 4)
        for (int64_t channel = 0; channel < depth; channel += 4)
            transpose_four(from + key * ld + channel, ld, to + channel * padded + key, padded);
    for (; key < padded; key++)
        for (int64_t channel = 0; channel < depth; channel++)
            to[channel * padded + key] = key < keys ? from[key * ld + channel] : 0.f;
}

// Replace a row of logits by weights that are not normalised, and return their sum.
INLINE float weigh(float *row, int64_t padded) {
    Vector top = load(row), sum = Vector{};
    for (int64_t at = LANES; at < padded; at += LANES) top = greater(load(row + at), top);
    Vector base = broadcast(greatest_of(top));
    for (int64_t at = 0; at < padded; at += LANES) {
        Vector weight = exponential(load(row + at) - base);
        sum += weight;
        store(row + at, weight);
    }
    return sum_of(sum);
}

// One head of a window, some queries at a time.
template <class Seen>
struct Head {
    const float *queries, *values;     // rows `ld` apart
    const float *keys, *bias;          // [depth, padded], [tokens, padded]: -inf behind the last key
    int64_t bias_ld;                   // 0 if all queries have the same bias
    int64_t ld, count, depth;          // count of keys
    float *weights;                    // [ROWS, padded]
    Seen *seen;                        // rows `seen_ld` apart
    int64_t seen_ld;

    template <int R, int C>
    INLINE void logits(int64_t first, int64_t column) const {
        int64_t padded = padded_keys(count);
        Sums<R, C> sums;
        sums.read(bias + first * bias_ld + column, bias_ld);
        sums.add_strided(queries + first * ld, 1, ld, keys + column, padded, depth);
        sums.write(weights + column, padded);
    }

    template <int R, int C>
    INLINE void see(int64_t first, int64_t channel, const float *inverse) const {
        Sums<R, C> sums;
        sums.clear();
        sums.add_strided(weights, 1, padded_keys(count), values + channel, ld, count);
        for (int row = 0; row < R; row++)
            for (int column = 0; column < C; column++)
                store(seen + (first + row) * seen_ld + (channel + column * LANES) / numbers_of<Seen>(),
                      sums.at[row][column] * inverse[row]);
    }

    template <int R>
    void run(int64_t first) const {
        int64_t padded = padded_keys(count), column = 0, channel = 0;
        for (; column + CHUNK <= padded; column += CHUNK) logits<R, COLUMNS>(first, column);
        for (; column < padded; column += LANES) logits<R, 1>(first, column);
        float inverse[R];
        for (int row = 0; row < R; row++) inverse[row] = 1.f / weigh(weights + row * padded, padded);
        for (; channel + 2 * LANES <= depth; channel += 2 * LANES) see<R, 2>(first, channel, inverse);
        for (; channel < depth; channel += LANES) see<R, 1>(first, channel, inverse);
    }
};

}  // namespace
