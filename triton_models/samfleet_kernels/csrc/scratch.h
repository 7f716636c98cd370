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
    float *factors, *logits, *weights;
    Operand *summed, *left, *turned;  // the factors, the weights, and the factors over the image tokens as operands

    TileScratch() = default;
    TileScratch(Arena &arena, Shape shape, int layers) {
        factors = arena.take(layers * shape.early() * TILE);
        logits = arena.take(shape.pairs() * TILE);
        weights = arena.take(shape.pairs() * TILE);
        turned = arena.take<Operand>(steps(TILE) * padded(layers * shape.each()));
        summed = left = nullptr;
        if (STEP == 1) return;  // numbers are operands
        summed = arena.take<Operand>(steps(layers * shape.each()) * TILE);
        int64_t most = shape.pairs() > layers * shape.each() ? shape.pairs() : layers * shape.each();
        left = arena.take<Operand>(most * steps(TILE));
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
    Operand *keys, *values, *constant, *queries, *against;
    float *against_constant, *triangle;
    ImageSoftmax softmax;

    SecondPrompt() = default;
    SecondPrompt(Arena &arena, Shape shape) {
        int64_t narrow = shape.pairs() * steps(CHANNELS);
        keys = arena.take<Operand>(narrow);
        values = arena.take<Operand>(narrow);
        constant = arena.take<Operand>(steps(WIDTH));
        queries = arena.take<Operand>(narrow);
        against = arena.take<Operand>(shape.pairs() * steps(shape.each()));
        against_constant = arena.take(shape.pairs());
        triangle = arena.take(triangle_size(shape.early()));
        softmax = softmax_of(arena, shape, LAYERS);
    }
};

struct ThirdPrompt {
    static constexpr int LAYERS = 2;
    Operand *keys[2], *values[2], *constants[2];  // of the early and the late layer
    Operand *late_against, *queries, *against;
    float *late_against_constant, *against_constants, *triangle;
    ImageSoftmax softmax;

    ThirdPrompt() = default;
    ThirdPrompt(Arena &arena, Shape shape) {
        int64_t narrow = shape.pairs() * steps(CHANNELS);
        for (int layer = 0; layer < LAYERS; layer++) {
            keys[layer] = arena.take<Operand>(narrow);
            values[layer] = arena.take<Operand>(narrow);
            constants[layer] = arena.take<Operand>(steps(WIDTH));
        }
        late_against = arena.take<Operand>(shape.pairs() * steps(shape.each()));
        queries = arena.take<Operand>(narrow);
        against = arena.take<Operand>(shape.pairs() * steps(LAYERS * shape.each()));
        late_against_constant = arena.take(shape.pairs());
        against_constants = arena.take(LAYERS * shape.pairs());
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
