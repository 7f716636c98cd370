// The two-way pass of a group of prompts as three sweeps over the image, compiled once per instruction set.
//
// A sweep takes the tiles one after the other and in each the prompts of a group, so that the tables of the tile are
// read from memory once per group and everything else stays in the caches.
#include "arena.h"
#include "attention.h"
#include "interface.h"

namespace {

constexpr int64_t GROUP = 8;  // prompts whose packed operands fit the second cache beside a tile's tables

INLINE int64_t padded(int64_t pairs) { return (pairs + LINE - 1) / LINE * LINE; }
INLINE int64_t triangle_size(int64_t rows) { return rows * (rows + 2 * ROWS) / 2 + ROWS; }
INLINE ImageSoftmax softmax_of(Arena &arena, int64_t pairs, int64_t rows) {
    int64_t width = padded(pairs);
    float *reference = arena.take(pairs), *total = arena.take(pairs * LANES), *gathered = arena.take(rows * width);
    return ImageSoftmax{reference, total, nullptr, gathered, pairs, rows, width};
}

struct FirstPrompt {
    float *queries;
    ImageSoftmax softmax;

    FirstPrompt() = default;
    FirstPrompt(Arena &arena, int64_t pairs) : queries(arena.take(pairs * CHANNELS)) {
        softmax = softmax_of(arena, pairs, 0);
    }
};

struct FirstScratch {
    FirstPrompt prompts[GROUP];
    float *weights;

    FirstScratch(Arena arena, int64_t pairs, int64_t *used = nullptr) {
        for (auto &prompt : prompts) prompt = FirstPrompt(arena, pairs);
        weights = arena.take(pairs * TILE);
        if (used) *used = arena.used;
    }
};

struct SecondPrompt {
    float *early_keys, *echo_values, *queries, *against, *triangle;
    ImageSoftmax softmax;

    SecondPrompt() = default;
    SecondPrompt(Arena &arena, int64_t pairs) {
        early_keys = arena.take(pairs * CHANNELS);
        echo_values = arena.take(pairs * CHANNELS);
        queries = arena.take(pairs * CHANNELS);
        against = arena.take(pairs * pairs);
        triangle = arena.take(triangle_size(pairs));
        softmax = softmax_of(arena, pairs, pairs);
    }
};

struct SecondScratch {
    SecondPrompt prompts[GROUP];
    float *factors, *weights, *turned;

    SecondScratch(Arena arena, int64_t pairs, int64_t *used = nullptr) {
        for (auto &prompt : prompts) prompt = SecondPrompt(arena, pairs);
        factors = arena.take(pairs * TILE);
        weights = arena.take(pairs * TILE);
        turned = arena.take(TILE * padded(pairs));
        if (used) *used = arena.used;
    }
};

struct ThirdPrompt {
    float *early_keys, *late_keys, *early_values, *late_values, *late_against, *queries, *against, *triangle;
    ImageSoftmax softmax;

    ThirdPrompt() = default;
    ThirdPrompt(Arena &arena, int64_t pairs) {
        int64_t rows = 2 * pairs + 1;
        early_keys = arena.take(pairs * CHANNELS);
        late_keys = arena.take(pairs * CHANNELS);
        early_values = arena.take(pairs * CHANNELS);
        late_values = arena.take(pairs * CHANNELS);
        late_against = arena.take(pairs * pairs);
        queries = arena.take(pairs * CHANNELS);
        against = arena.take(pairs * rows);
        triangle = arena.take(triangle_size(rows));
        softmax = softmax_of(arena, pairs, rows);
    }
};

struct ThirdScratch {
    ThirdPrompt prompts[GROUP];
    float *factors, *weights, *turned;

    ThirdScratch(Arena arena, int64_t pairs, int64_t *used = nullptr) {
        for (auto &prompt : prompts) prompt = ThirdPrompt(arena, pairs);
        factors = arena.take((2 * pairs + 1) * TILE);
        weights = arena.take(pairs * TILE);
        turned = arena.take(TILE * padded(pairs));
        if (used) *used = arena.used;
    }
};

// One tile: its number, its first image token, and how many of its 64 columns are image tokens.
struct Tile {
    int64_t number, start, valid;

    const float *of(const float *table) const { return table + number * WIDTH * TILE; }
};

template <class Scratch, class Sweep>
INLINE void run(const SamfleetSizes &sizes, float *memory, const Sweep &sweep) {
    int64_t pairs = HEADS * sizes.tokens;
    Scratch scratch(Arena{aligned(memory), 0}, pairs);
    for (int64_t start = 0; start < sizes.prompts; start += GROUP) {
        int64_t count = sizes.prompts - start < GROUP ? sizes.prompts - start : GROUP;
        for (int64_t own = 0; own < count; own++) sweep.begin(scratch.prompts[own], start + own);
        for (int64_t first = 0; first < sizes.pixels; first += TILE) {
            int64_t valid = sizes.pixels - first < TILE ? sizes.pixels - first : TILE;
            Tile tile{first / TILE, first, valid};
            for (int64_t own = 0; own < count; own++)
                sweep.step(scratch, scratch.prompts[own], start + own, tile);
        }
        for (int64_t own = 0; own < count; own++) sweep.end(scratch.prompts[own], start + own);
    }
}

struct FirstSweep {
    const SamfleetFirst &at;
    int64_t tokens, pairs;

    void begin(FirstPrompt &own, int64_t prompt) const {
        int64_t narrow = prompt * pairs * CHANNELS;
        pack_heads(at.queries + narrow, tokens, CHANNELS, own.queries);
        own.softmax.seen = at.seen + narrow;
        own.softmax.begin();
    }

    void step(FirstScratch &scratch, FirstPrompt &own, int64_t, Tile tile) const {
        all_heads(Logits{0, tokens, own.queries, tile.of(at.keys), nullptr, nullptr, nullptr, nullptr, 0,
                         scratch.weights});
        own.softmax.weigh(scratch.weights, tile.valid);
        see(Seeing{0, tokens, scratch.weights, tile.of(at.values), own.softmax.seen});
    }

    void end(FirstPrompt &own, int64_t) const { own.softmax.end(nullptr); }
};

struct SecondSweep {
    const SamfleetSecond &at;
    int64_t tokens, pairs, pixels;

    void begin(SecondPrompt &own, int64_t prompt) const {
        int64_t narrow = prompt * pairs * CHANNELS, square = prompt * pairs * pairs;
        pack_heads(at.early_keys + narrow, tokens, CHANNELS, own.early_keys);
        pack_heads(at.echo_values + narrow, tokens, CHANNELS, own.echo_values);
        pack_heads(at.queries + narrow, tokens, CHANNELS, own.queries);
        pack_heads(at.against + square, tokens, pairs, own.against);
        float *next = own.triangle;
        for (int64_t head = 0; head < HEADS; head++)
            each_panel(tokens, TrianglePacking{at.products + square, head * tokens, pairs, &next});
        own.softmax.seen = at.seen + narrow;
        own.softmax.begin();
    }

    void step(SecondScratch &scratch, SecondPrompt &own, int64_t prompt, Tile tile) const {
        alignas(64) float variance[TILE], scale[TILE];
        float *factors = scratch.factors, *weights = scratch.weights;
        all_heads(Logits{0, tokens, own.early_keys, tile.of(at.early_queries), nullptr, nullptr, nullptr, nullptr, 0,
                         factors});
        softmax_over_tokens(factors, tokens);
        read_row(at.norms + tile.start, tile.valid, variance);
        const float *triangle = own.triangle;
        all_heads(Variance{tokens, pairs, nullptr, factors, variance, &triangle, own.echo_values, tile.of(at.echoes),
                           0, 0});
        inverse_deviation(variance, at.epsilon, scale);
        memcpy(at.scale + prompt * pixels + tile.start, scale, sizeof(float) * tile.valid);
        scale_rows(factors, pairs, scale, factors);
        all_heads(Logits{0, tokens, own.queries, tile.of(at.keys), scale, tile.of(at.position_keys), own.against,
                         factors, pairs, weights});
        own.softmax.weigh(weights, tile.valid);
        transpose(weights, pairs, scratch.turned, own.softmax.padded);
        each_panel(pairs, Gathering{factors, scratch.turned, own.softmax.padded, own.softmax.gathered});
        scale_rows(weights, pairs, scale, weights);
        see(Seeing{0, tokens, weights, tile.of(at.values), own.softmax.seen});
    }

    void end(SecondPrompt &own, int64_t prompt) const { own.softmax.end(at.gathered + prompt * pairs * pairs); }
};

struct ThirdSweep {
    const SamfleetThird &at;
    int64_t tokens, pairs, rows, pixels;
    bool by_tile;

    void begin(ThirdPrompt &own, int64_t prompt) const {
        int64_t narrow = prompt * pairs * CHANNELS;
        pack_heads(at.early_keys + narrow, tokens, CHANNELS, own.early_keys);
        pack_heads(at.late_keys + narrow, tokens, CHANNELS, own.late_keys);
        pack_heads(at.early_values + narrow, tokens, CHANNELS, own.early_values);
        pack_heads(at.late_values + narrow, tokens, CHANNELS, own.late_values);
        pack_heads(at.queries + narrow, tokens, CHANNELS, own.queries);
        pack_heads(at.late_against + prompt * pairs * pairs, tokens, pairs, own.late_against);
        pack_heads(at.against + prompt * pairs * rows, tokens, rows, own.against);
        const float *products = at.products + prompt * rows * rows;
        float *next = own.triangle;
        for (int64_t head = 0; head < 2 * HEADS; head++)
            each_panel(tokens, TrianglePacking{products, head * tokens, rows, &next});
        *next = products[rows * rows - 1];
        own.softmax.seen = at.seen + narrow;
        own.softmax.begin();
    }

    // Form r1 B in `factors` and r1 r0 in `scale`.
    void update(float *factors, ThirdPrompt &own, int64_t prompt, Tile tile, float *scale) const {
        alignas(64) float variance[TILE], early[TILE], second[TILE], shift[TILE];
        float *late = factors + pairs * TILE, *constant = factors + 2 * pairs * TILE;
        read_row(at.scale + prompt * pixels + tile.start, tile.valid, early);
        read_row(at.norms + tile.start, tile.valid, variance);
        read_row(at.shift + tile.start, tile.valid, shift);
        all_heads(Logits{0, tokens, own.early_keys, tile.of(at.early_queries), nullptr, nullptr, nullptr, nullptr, 0,
                         factors});
        softmax_over_tokens(factors, tokens);
        scale_rows(factors, pairs, early, factors);
        all_heads(Logits{0, tokens, own.late_keys, tile.of(at.late_queries), early, tile.of(at.position_queries),
                         own.late_against, factors, pairs, late});
        softmax_over_tokens(late, tokens);
        const float *triangle = own.triangle;
        for (int64_t column = 0; column < TILE; column++) {
            constant[column] = 1;
            variance[column] = variance[column] * early[column] * early[column] + shift[column] * early[column];
        }
        Variance terms{tokens, rows, early, factors, variance, &triangle, own.early_values, tile.of(at.early_echoes),
                       0, 0};
        all_heads(terms);
        terms.values = own.late_values;
        terms.echoes = tile.of(at.late_echoes);
        terms.offset = pairs;
        all_heads(terms);
        for (int64_t column = 0; column < TILE; column++) variance[column] += *triangle;
        inverse_deviation(variance, at.epsilon, second);
        scale_rows(factors, rows, second, factors);
        scale_rows(second, 1, early, scale);
    }

    void step(ThirdScratch &scratch, ThirdPrompt &own, int64_t prompt, Tile tile) const {
        alignas(64) float scale[TILE];
        float *factors = scratch.factors, *weights = scratch.weights;
        update(factors, own, prompt, tile, scale);
        memcpy(at.scale + prompt * pixels + tile.start, scale, sizeof(float) * tile.valid);
        write_image(factors, prompt, tile);
        all_heads(Logits{0, tokens, own.queries, tile.of(at.keys), scale, tile.of(at.position_keys), own.against,
                         factors, rows, weights});
        own.softmax.weigh(weights, tile.valid);
        transpose(weights, pairs, scratch.turned, own.softmax.padded);
        each_panel(rows, Gathering{factors, scratch.turned, own.softmax.padded, own.softmax.gathered});
        scale_rows(weights, pairs, scale, weights);
        see(Seeing{0, tokens, weights, tile.of(at.values), own.softmax.seen});
    }

    void write_image(const float *factors, int64_t prompt, Tile tile) const {
        if (by_tile) {
            int64_t tiles = (pixels + TILE - 1) / TILE;
            memcpy(at.image + (prompt * tiles + tile.number) * rows * TILE, factors, sizeof(float) * rows * TILE);
            return;
        }
        for (int64_t row = 0; row < rows; row++)
            memcpy(at.image + (prompt * rows + row) * pixels + tile.start, factors + row * TILE,
                   sizeof(float) * tile.valid);
    }

    void end(ThirdPrompt &own, int64_t prompt) const { own.softmax.end(at.gathered + prompt * pairs * rows); }
};

}  // namespace

extern "C" {

// Number of floats that the sweeps of prompts of `tokens` need as `memory`.
int64_t EXPORT(samfleet_memory_)(int64_t tokens) {
    int64_t used[3];
    FirstScratch(Arena{nullptr, 0}, HEADS * tokens, &used[0]);
    SecondScratch(Arena{nullptr, 0}, HEADS * tokens, &used[1]);
    ThirdScratch(Arena{nullptr, 0}, HEADS * tokens, &used[2]);
    int64_t most = 0;
    for (int64_t count : used) most = count > most ? count : most;
    return most + LINE;
}

void EXPORT(samfleet_first_)(const SamfleetSizes *sizes, const SamfleetFirst *at, float *memory) {
    run<FirstScratch>(*sizes, memory, FirstSweep{*at, sizes->tokens, HEADS * sizes->tokens});
}

void EXPORT(samfleet_second_)(const SamfleetSizes *sizes, const SamfleetSecond *at, float *memory) {
    run<SecondScratch>(*sizes, memory, SecondSweep{*at, sizes->tokens, HEADS * sizes->tokens, sizes->pixels});
}

void EXPORT(samfleet_third_)(const SamfleetSizes *sizes, const SamfleetThird *at, float *memory) {
    int64_t pairs = HEADS * sizes->tokens;
    bool by_tile = sizes->by_tile != 0;
    run<ThirdScratch>(*sizes, memory, ThirdSweep{*at, sizes->tokens, pairs, 2 * pairs + 1, sizes->pixels, by_tile});
}
}
