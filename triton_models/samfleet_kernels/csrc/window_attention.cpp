// Attention in windows, a window at a time from the LayerNorm to the residual addition, compiled once per instruction
// set. Only the input and the output are in memory.
#include "interface.h"
#include "layers.h"
#include "transpose.h"

namespace {

INLINE int64_t padded_keys(int64_t keys) { return (keys + LINE - 1) / LINE * LINE; }

struct Shape {
    int64_t channels, depth, tokens, keys, windows;  // most tokens and keys of a window; windows of an image

    explicit Shape(const SamfleetWindowAttention &at) {
        channels = at.inputs.inner;
        depth = channels / at.heads;
        tokens = keys = windows = 0;
        for (int64_t i = 0; i < at.regions; i++) {
            tokens = most(tokens, at.region[i].tokens);
            keys = most(keys, at.region[i].keys);
            windows += at.region[i].windows;
        }
    }
};

struct Scratch {
    float *normal, *inputs, *keys, *weights, *seen;

    Scratch(Arena arena, const Shape &shape, int64_t *used = nullptr) {
        normal = arena.take(shape.tokens * shape.channels);
        inputs = arena.take(shape.keys * 3 * shape.channels);
        keys = arena.take(shape.depth * padded_keys(shape.keys));
        weights = arena.take(ROWS * padded_keys(shape.keys));
        seen = arena.take(shape.tokens * shape.channels);
        if (used) *used = arena.used;
    }
};

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
struct Head {
    const float *queries, *values;     // rows `ld` apart
    const float *keys, *bias;          // [depth, padded], [tokens, padded]
    int64_t ld, count, depth;          // count of keys
    float *weights, *seen;             // [ROWS, padded]; rows `channels` apart
    int64_t channels;

    template <int R, int C>
    INLINE void logits(int64_t first, int64_t column) const {
        int64_t padded = padded_keys(count);
        Sums<R, C> sums;
        sums.read(bias + first * padded + column, padded);
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
                store(seen + (first + row) * channels + channel + column * LANES, sums.at[row][column] * inverse[row]);
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

INLINE void attend(const SamfleetWindowAttention &at, const Shape &shape, const Scratch &scratch,
                   const SamfleetRegion &region, const int64_t *places, const float *x, float *out) {
    int64_t channels = shape.channels, depth = shape.depth, ld = 3 * channels, tokens = region.tokens;
    for (int64_t token = 0; token < tokens; token++)
        normalise(x + places[token] * channels, channels, at.epsilon, scratch.normal + token * channels);
    multiply(scratch.normal, channels, tokens, at.inputs, scratch.inputs, ld, PLAIN);
    if (region.keys > tokens) memcpy(scratch.inputs + tokens * ld, at.padding, sizeof(float) * ld);
    for (int64_t head = 0; head < at.heads; head++) {
        const float *queries = scratch.inputs + head * 3 * depth;
        transpose_keys(queries + depth, ld, region.keys, depth, scratch.keys);
        each_panel(tokens, Head{queries, queries + 2 * depth, scratch.keys,
                                region.bias + head * tokens * padded_keys(region.keys), ld, region.keys, depth,
                                scratch.weights, scratch.seen + head * depth, channels});
    }
    multiply(scratch.seen, channels, tokens, at.outputs, scratch.normal, channels, PLAIN);
    for (int64_t token = 0; token < tokens; token++) {
        int64_t place = places[token] * channels;
        for (int64_t channel = 0; channel < channels; channel += LANES)
            store(out + place + channel, load(scratch.normal + token * channels + channel) + load(x + place + channel));
    }
}

}  // namespace

extern "C" {

// Number of floats that a thread needs as `memory`.
int64_t EXPORT(samfleet_window_attention_memory_)(const SamfleetWindowAttention *at) {
    int64_t used;
    Scratch(Arena{nullptr, 0}, Shape(*at), &used);
    return used + LINE;
}

void EXPORT(samfleet_window_attention_)(const SamfleetWindowAttention *at, float *memory) {
    Shape shape(*at);
    Scratch scratch(Arena{aligned(memory), 0}, shape);
    each_item(at->next, at->images * shape.windows, [&](int64_t item) {
        int64_t window = item % shape.windows, start = item / shape.windows * at->pixels * shape.channels;
        const SamfleetRegion *region = at->region;
        for (; window >= region->windows; region++) window -= region->windows;
        attend(*at, shape, scratch, *region, region->places + window * region->tokens, at->x + start, at->out + start);
    });
}
}
