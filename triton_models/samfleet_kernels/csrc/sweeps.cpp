// The two-way pass of a group of prompts as three sweeps over the image, compiled once per instruction set.
//
// A sweep takes the tiles one after the other and in each the prompts of a group, so that the tables of the tile are
// read from memory once per group and everything else stays in the caches.
#include "interface.h"
#include "scratch.h"

namespace {

// One tile: its number, its first image token, and how many of its 64 columns are image tokens.
struct Tile {
    int64_t number, start, valid;

    const float *numbers(const float *table) const { return table + number * WIDTH * TILE; }
    const Operand *of(const void *table) const { return (const Operand *)table + number * steps(WIDTH) * TILE; }
};

template <class Prompt, class Sweep>
INLINE void run(const SamfleetSizes &sizes, float *memory, const Sweep &sweep) {
    Scratch<Prompt> scratch(Arena{aligned(memory), 0}, sweep.shape);
    for (int64_t start = 0; start < sizes.prompts; start += GROUP) {
        int64_t count = sizes.prompts - start < GROUP ? sizes.prompts - start : GROUP;
        for (int64_t own = 0; own < count; own++) sweep.begin(scratch.prompts[own], start + own);
        for (int64_t first = 0; first < sizes.pixels; first += TILE) {
            int64_t valid = sizes.pixels - first < TILE ? sizes.pixels - first : TILE;
            Tile tile{first / TILE, first, valid};
            for (int64_t own = 0; own < count; own++)
                sweep.step(scratch.tile, scratch.prompts[own], start + own, tile);
        }
        for (int64_t own = 0; own < count; own++) sweep.end(scratch.prompts[own], start + own);
    }
}

struct FirstSweep {
    const SamfleetFirst &at;
    Shape shape;

    void begin(FirstPrompt &own, int64_t prompt) const {
        int64_t narrow = prompt * shape.pairs() * CHANNELS;
        pack_numbers(at.queries + narrow, CHANNELS, shape.tokens, CHANNELS, own.queries);
        own.softmax.seen = at.seen + narrow;
        own.softmax.begin();
    }

    void step(TileScratch &scratch, FirstPrompt &own, int64_t, Tile tile) const {
        all_heads(Logits<float>{shape.tokens, own.queries, tile.numbers(at.keys), scratch.weights});
        own.softmax.weigh(scratch.weights, tile.valid);
        const Operand *weights = over_tokens(scratch.weights, shape.pairs(), scratch.left);
        see(Seeing{shape.tokens, weights, tile.of(at.values), own.softmax.seen});
    }

    void end(FirstPrompt &own, int64_t) const { own.softmax.end(nullptr, 0); }
};

// Factors of a tile, as rows: those of the early layer, those of the late one, and the layers' constants.
struct SecondSweep {
    const SamfleetSecond &at;
    Shape shape;
    int64_t pixels;

    void begin(SecondPrompt &own, int64_t prompt) const {
        int64_t tokens = shape.tokens, narrow = prompt * shape.pairs() * CHANNELS, rows = shape.early();
        pack_heads(at.early_keys + narrow, CHANNELS, tokens, CHANNELS, own.keys);
        pack_values(at.echo_values + narrow, tokens, own.values, own.constant);
        pack_heads(at.queries + narrow, CHANNELS, tokens, CHANNELS, own.queries);
        const float *against = at.against + prompt * shape.pairs() * rows;
        pack_heads(against, rows, tokens, shape.each(), own.against);
        pack_numbers(against + shape.each(), rows, tokens, 1, own.against_constant);
        pack_triangle(at.products + prompt * rows * rows, shape.others(), 1, own.triangle);
        own.softmax.seen = at.seen + narrow;
        own.softmax.begin();
    }

    void step(TileScratch &scratch, SecondPrompt &own, int64_t prompt, Tile tile) const {
        alignas(64) float variance[TILE], scale[TILE];
        float *factors = scratch.factors, *weights = scratch.weights, *constant = factors + shape.each() * TILE;
        all_heads(Logits<Operand>{shape.tokens, own.keys, tile.of(at.early_queries), scratch.logits});
        softmax_over_tokens(scratch.logits, shape.tokens, factors);
        for (int64_t column = 0; column < TILE; column++) constant[column] = 1;
        read_row(at.norms + tile.start, tile.valid, variance);
        const Operand *summed = summed_over(factors, shape.each(), scratch.summed);
        Variance terms{shape.early(), nullptr, factors, variance, own.triangle};
        terms.heads(shape.others(), own.values, tile.of(at.echoes));
        terms.constant(own.constant, tile.of(at.echoes));
        inverse_deviation(variance, at.epsilon, scale);
        memcpy(at.scale + prompt * pixels + tile.start, scale, sizeof(float) * tile.valid);
        all_heads(Logits<Operand>{shape.tokens, own.queries, tile.of(at.keys), weights, nullptr, own.against, summed,
                         shape.each(), own.against_constant, constant, 1, scale, tile.of(at.position_keys)});
        own.softmax.weigh(weights, tile.valid);
        own.softmax.gather_constant(0, weights, scale, weights);
        int64_t padded = own.softmax.padded;
        transpose(over_tokens(factors, shape.each(), scratch.left), shape.each(), scratch.turned, padded);
        const Operand *left = over_tokens(weights, shape.pairs(), scratch.left);
        gather(Gathering{left, scratch.turned, padded, own.softmax.gathered}, shape.pairs());
        see(Seeing{shape.tokens, left, tile.of(at.values), own.softmax.seen});
    }

    void end(SecondPrompt &own, int64_t prompt) const {
        own.softmax.end(at.gathered + prompt * shape.pairs() * shape.early(), shape.each());
    }
};

struct ThirdSweep {
    const SamfleetThird &at;
    Shape shape;
    int64_t pixels;
    bool by_tile;

    void begin(ThirdPrompt &own, int64_t prompt) const {
        int64_t tokens = shape.tokens, narrow = prompt * shape.pairs() * CHANNELS, rows = shape.both();
        pack_heads(at.early_keys + narrow, CHANNELS, tokens, CHANNELS, own.keys[0]);
        pack_heads(at.late_keys + narrow, CHANNELS, tokens, CHANNELS, own.keys[1]);
        pack_values(at.early_values + narrow, tokens, own.values[0], own.constants[0]);
        pack_values(at.late_values + narrow, tokens, own.values[1], own.constants[1]);
        pack_heads(at.queries + narrow, CHANNELS, tokens, CHANNELS, own.queries);
        const float *late = at.late_against + prompt * shape.pairs() * shape.early();
        const float *against = at.against + prompt * shape.pairs() * rows;
        pack_heads(late, shape.early(), tokens, shape.each(), own.late_against);
        pack_numbers(late + shape.each(), shape.early(), tokens, 1, own.late_against_constant);
        pack_heads(against, rows, tokens, 2 * shape.each(), own.against);
        pack_numbers(against + 2 * shape.each(), rows, tokens, 2, own.against_constants);
        pack_triangle(at.products + prompt * rows * rows, shape.others(), 2, own.triangle);
        own.softmax.seen = at.seen + narrow;
        own.softmax.begin();
    }

    // Form B in `factors`, with r0 in `early`, and r1 in `second`. Return B as operands.
    const Operand *update(
        TileScratch &scratch, ThirdPrompt &own, Tile tile, const float *early, float *second) const {
        alignas(64) float variance[TILE], shift[TILE];
        float *factors = scratch.factors, *late = factors + shape.each() * TILE, *constants = late + shape.each() * TILE;
        all_heads(Logits<Operand>{shape.tokens, own.keys[0], tile.of(at.early_queries), scratch.logits});
        softmax_over_tokens(scratch.logits, shape.tokens, factors);
        scale_rows(factors, shape.each(), early, factors);
        memcpy(constants, early, sizeof(float) * TILE);
        for (int64_t column = 0; column < TILE; column++) constants[TILE + column] = 1;
        const Operand *summed = summed_over(factors, shape.each(), scratch.summed);
        all_heads(Logits<Operand>{shape.tokens, own.keys[1], tile.of(at.late_queries), scratch.logits, early, own.late_against,
                         summed, shape.each(), own.late_against_constant, constants, 1, nullptr,
                         tile.of(at.position_queries)});
        softmax_over_tokens(scratch.logits, shape.tokens, late);
        read_row(at.norms + tile.start, tile.valid, variance);
        read_row(at.shift + tile.start, tile.valid, shift);
        for (int64_t column = 0; column < TILE; column++)
            variance[column] = variance[column] * early[column] * early[column] + shift[column] * early[column];
        summed_over(late, shape.each(), scratch.summed + steps(shape.each()) * TILE);
        Variance terms{shape.both(), early, factors, variance, own.triangle};
        terms.heads(shape.others(), own.values[0], tile.of(at.early_echoes));
        terms.heads(shape.others(), own.values[1], tile.of(at.late_echoes));
        terms.constant(own.constants[0], tile.of(at.early_echoes));
        terms.constant(own.constants[1], tile.of(at.late_echoes));
        inverse_deviation(variance, at.epsilon, second);
        return summed;
    }

    void step(TileScratch &scratch, ThirdPrompt &own, int64_t prompt, Tile tile) const {
        alignas(64) float early[TILE], second[TILE], scale[TILE];
        float *factors = scratch.factors, *weights = scratch.weights;
        read_row(at.scale + prompt * pixels + tile.start, tile.valid, early);
        const Operand *summed = update(scratch, own, tile, early, second);
        scale_rows(second, 1, early, scale);
        memcpy(at.scale + prompt * pixels + tile.start, scale, sizeof(float) * tile.valid);
        write_image(scratch, prompt, tile, second);
        all_heads(Logits<Operand>{shape.tokens, own.queries, tile.of(at.keys), weights, early, own.against, summed,
                         2 * shape.each(), own.against_constants, factors + 2 * shape.each() * TILE, 2, second,
                         tile.of(at.position_keys)});
        own.softmax.weigh(weights, tile.valid);
        own.softmax.gather_constant(1, weights, second, weights);
        int64_t each = shape.each(), padded = own.softmax.padded;
        transpose(over_tokens(factors, 2 * each, scratch.left), 2 * each, scratch.turned, padded);
        const Operand *left = over_tokens(weights, shape.pairs(), scratch.left);
        gather(Gathering{left, scratch.turned, padded, own.softmax.gathered}, shape.pairs());
        own.softmax.gather_constant(0, weights, early, weights);
        left = over_tokens(weights, shape.pairs(), scratch.left);
        see(Seeing{shape.tokens, left, tile.of(at.values), own.softmax.seen});
    }

    // Write r1 B. It is read when the masks of all prompts of a chunk are drawn.
    void write_image(const TileScratch &scratch, int64_t prompt, Tile tile, const float *second) const {
        int64_t rows = shape.both();
        if (by_tile) {
            int64_t tiles = (pixels + TILE - 1) / TILE;
            float *to = at.image + (prompt * tiles + tile.number) * rows * TILE;
            for (int64_t column = 0; column < rows * TILE; column += LANES)
                stream(to + column, load(scratch.factors + column) * load(second + column % TILE));
            return;
        }
        for (int64_t row = 0; row < rows; row++) {
            alignas(64) float scaled[TILE];
            scale_rows(scratch.factors + row * TILE, 1, second, scaled);
            memcpy(at.image + (prompt * rows + row) * pixels + tile.start, scaled, sizeof(float) * tile.valid);
        }
    }

    void end(ThirdPrompt &own, int64_t prompt) const {
        own.softmax.end(at.gathered + prompt * shape.pairs() * shape.both(), 2 * shape.each());
        end_streams();
    }
};

}  // namespace

extern "C" {

// Number of floats that the sweeps of prompts of `tokens` need as `memory`.
int64_t EXPORT(samfleet_memory_)(int64_t tokens) {
    int64_t used[3];
    Scratch<FirstPrompt>(Arena{nullptr, 0}, Shape{tokens}, &used[0]);
    Scratch<SecondPrompt>(Arena{nullptr, 0}, Shape{tokens}, &used[1]);
    Scratch<ThirdPrompt>(Arena{nullptr, 0}, Shape{tokens}, &used[2]);
    int64_t most = 0;
    for (int64_t count : used) most = count > most ? count : most;
    return most + LINE;
}

void EXPORT(samfleet_first_)(const SamfleetSizes *sizes, const SamfleetFirst *at, float *memory) {
    run<FirstPrompt>(*sizes, memory, FirstSweep{*at, Shape{sizes->tokens}});
}

void EXPORT(samfleet_second_)(const SamfleetSizes *sizes, const SamfleetSecond *at, float *memory) {
    run<SecondPrompt>(*sizes, memory, SecondSweep{*at, Shape{sizes->tokens}, sizes->pixels});
}

void EXPORT(samfleet_third_)(const SamfleetSizes *sizes, const SamfleetThird *at, float *memory) {
    run<ThirdPrompt>(*sizes, memory, ThirdSweep{*at, Shape{sizes->tokens}, sizes->pixels, sizes->by_tile != 0});
}
}
