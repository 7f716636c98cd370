// Attention in windows, a window at a time from the LayerNorm to the residual addition, compiled once per instruction
// set. Only the input and the output are in memory.
#include "interface.h"
#include "head_attention.h"

namespace {

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
    Operand *normal, *seen;
    float *inputs, *keys, *weights;  // the outputs overwrite the inputs

    Scratch(Arena arena, const Shape &shape, int64_t *used = nullptr) {
        normal = arena.take<Operand>(shape.tokens * steps(shape.channels));
        inputs = arena.take(shape.keys * 3 * shape.channels);
        keys = arena.take(shape.depth * padded_keys(shape.keys));
        weights = arena.take(ROWS * padded_keys(shape.keys));
        seen = arena.take<Operand>(shape.tokens * steps(shape.channels));
        if (used) *used = arena.used;
    }
};

INLINE void attend(const SamfleetWindowAttention &at, const Shape &shape, const Scratch &scratch,
                   const SamfleetRegion &region, const int64_t *places, const float *x, float *out) {
    int64_t channels = shape.channels, depth = shape.depth, ld = 3 * channels, tokens = region.tokens;
    int64_t row = steps(channels);
    for (int64_t token = 0; token < tokens; token++)
        normalise(x + places[token] * channels, channels, at.epsilon, scratch.normal + token * row);
    multiply(scratch.normal, row, tokens, at.inputs, scratch.inputs, ld, PLAIN);
    int64_t padded = padded_keys(region.keys);
    if (region.keys > tokens) memcpy(scratch.inputs + tokens * ld, at.padding, sizeof(float) * ld);
    for (int64_t head = 0; head < at.heads; head++) {
        const float *queries = scratch.inputs + head * 3 * depth;
        transpose_keys(queries + depth, ld, region.keys, depth, scratch.keys);
        each_panel(tokens, Head<Operand>{queries, queries + 2 * depth, scratch.keys,
                                         region.bias + head * tokens * padded, padded, ld, region.keys, depth,
                                         scratch.weights, scratch.seen + head * steps(depth), row});
    }
    multiply(scratch.seen, row, tokens, at.outputs, scratch.inputs, channels, PLAIN);
    for (int64_t token = 0; token < tokens; token++) {
        int64_t place = places[token] * channels;
        for (int64_t channel = 0; channel < channels; channel += LANES)
            store(out + place + channel, load(scratch.inputs + token * channels + channel) + load(x + place + channel));
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
