// Memory of the sweeps: the packed operands and the sums of each prompt of a group, and what one tile needs.
#pragma once
#include "arena.h"
#include "attention.h"

namespace {

constexpr int64_t GROUP = 8;  // prompts whose packed operands fit the second cache beside a tile's tables

INLINE int64_t padded(int64_t columns) { return (columns + LINE - 1) / LINE * LINE; }
INLINE int64_t triangle_size(int64_t rows) { return rows * (rows + 2 * ROWS) / 2 + ROWS; }

// Numbers of rows of a prompt: J pairs of heads and tokens, of which `each` have factors in a layer.
struct Shape {
    int64_t tokens;

    int64_t others() const { return tokens - 1; }
    int64_t pairs() const { return HEADS * tokens; }
    int64_t each() const { return HEADS * (tokens - 1); }
    int64_t early() const { return each() + 1; }       // factors of the first layer
    int64_t both() const { return 2 * each() + 2; }    // factors of both
};

INLINE ImageSoftmax softmax_of(Arena &arena, Shape shape, int layers) {
    int64_t pairs = shape.pairs(), width = padded(layers * shape.each());
    ImageSoftmax made{};
    made.reference = arena.take(pairs);
    made.total = arena.take(pairs * LANES);
    for (int layer = 0; layer < layers; layer++) made.constants[layer] = arena.take(pairs * LANES);
    made.gathered = arena.take(pairs * width);
    made.pairs = pairs;
    made.padded = width;
    return made;
}

// What a tile needs, for the factors of `layers` layers.
struct TileScratch {
    float *factors, *logits, *weights, *turned;

    TileScratch() = default;
    TileScratch(Arena &arena, Shape shape, int layers) {
        factors = arena.take(layers * shape.early() * TILE);
        logits = arena.take(shape.pairs() * TILE);
        weights = arena.take(shape.pairs() * TILE);
        turned = arena.take(TILE * padded(layers * shape.each()));
    }
};

struct FirstPrompt {
    static constexpr int LAYERS = 0;
    float *queries;
    ImageSoftmax softmax;

    FirstPrompt() = default;
    FirstPrompt(Arena &arena, Shape shape) {
        queries = arena.take(shape.pairs() * CHANNELS);
        softmax = softmax_of(arena, shape, LAYERS);
    }
};

struct SecondPrompt {
    static constexpr int LAYERS = 1;
    float *keys, *values, *constant, *queries, *against, *triangle;
    ImageSoftmax softmax;

    SecondPrompt() = default;
    SecondPrompt(Arena &arena, Shape shape) {
        int64_t narrow = shape.pairs() * CHANNELS;
        keys = arena.take(narrow);
        values = arena.take(narrow);
        constant = arena.take(WIDTH);
        queries = arena.take(narrow);
        against = arena.take(shape.pairs() * shape.early());
        triangle = arena.take(triangle_size(shape.early()));
        softmax = softmax_of(arena, shape, LAYERS);
    }
};

struct ThirdPrompt {
    static constexpr int LAYERS = 2;
    float *keys[2], *values[2], *constants[2];  // of the early and the late layer
    float *late_against, *queries, *against, *triangle;
    ImageSoftmax softmax;

    ThirdPrompt() = default;
    ThirdPrompt(Arena &arena, Shape shape) {
        int64_t narrow = shape.pairs() * CHANNELS;
        for (int layer = 0; layer < LAYERS; layer++) {
            keys[layer] = arena.take(narrow);
            values[layer] = arena.take(narrow);
            constants[layer] = arena.take(WIDTH);
        }
        late_against = arena.take(shape.pairs() * shape.early());
        queries = arena.take(narrow);
        against = arena.take(shape.pairs() * shape.both());
        triangle = arena.take(triangle_size(shape.both()));
        softmax = softmax_of(arena, shape, LAYERS);
    }
};

template <class Prompt>
struct Scratch {
    Prompt prompts[GROUP];
    TileScratch tile;

    Scratch(Arena arena, Shape shape, int64_t *used = nullptr) {
        for (auto &prompt : prompts) prompt = Prompt(arena, shape);
        tile = TileScratch(arena, shape, Prompt::LAYERS);
        if (used) *used = arena.used;
    }
};

}  // namespace
