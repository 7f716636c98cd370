// Linear layers, attention and LayerNorms of the tokens of a group of prompts, compiled once per instruction set.
#include "interface.h"
#include "head_attention.h"

namespace {

constexpr int64_t DIM = 256, DEPTH = DIM / HEADS;  // channels of a token, and of a head of an attention between tokens
constexpr int64_t GROUPED_ROWS = 128;              // their numbers stay in the second cache between the steps

// Calls work(prompt, count) for groups of prompts that have about GROUPED_ROWS rows.
template <class Work>
INLINE void each_group(int64_t prompts, int64_t tokens, const Work &work) {
    int64_t most_prompts = most(1, GROUPED_ROWS / tokens);
    for (int64_t prompt = 0; prompt < prompts; prompt += most_prompts)
        work(prompt, least(most_prompts, prompts - prompt));
}

INLINE int64_t rows_of_group(int64_t prompts, int64_t tokens) {
    return least(prompts, most(1, GROUPED_ROWS / tokens)) * tokens;
}

// Normalise rows in place.
INLINE void normalise_rows(float *rows, int64_t count, const SamfleetNorm &norm) {
    for (float *row = rows; row < rows + count * DIM; row += DIM) {
        normalise(row, DIM, norm.epsilon, row);
        for (int64_t at = 0; at < DIM; at += LANES)
            store(row + at, load(row + at) * load(norm.gain + at) + load(norm.shift + at));
    }
}

INLINE const float *sum_of_rows(const float *a, const float *b, int64_t count, float *sum) {
    for (int64_t at = 0; at < count * DIM; at += LANES) store(sum + at, load(a + at) + load(b + at));
    return sum;
}

struct AttentionScratch {
    float *positioned, *queries, *keys, *values, *seen, *turned, *weights, *bias;

    AttentionScratch(Arena arena, const SamfleetTokenAttention &at, int64_t *used = nullptr) {
        int64_t count = rows_of_group(at.prompts, at.tokens) * DIM, padded = padded_keys(at.tokens);
        positioned = arena.take(count);
        queries = arena.take(count);
        keys = arena.take(count);
        values = arena.take(count);
        seen = arena.take(count);
        turned = arena.take(DEPTH * padded);
        weights = arena.take(ROWS * padded);
        bias = arena.take(padded);
        if (used) *used = arena.used;
    }
};

INLINE void attend(const SamfleetTokenAttention &at, const AttentionScratch &scratch, int64_t first, int64_t count) {
    int64_t rows = count * at.tokens, start = first * at.tokens * DIM;
    const float *x = at.x + start, *positioned = x;
    if (at.positioned_keys || at.positioned_values)
        positioned = sum_of_rows(x, at.positions + start, rows, scratch.positioned);
    const float *keyed = at.positioned_keys ? positioned : x, *valued = at.positioned_values ? positioned : x;
    multiply(keyed, DIM, rows, at.queries, scratch.queries, DIM, PLAIN);
    multiply(keyed, DIM, rows, at.keys, scratch.keys, DIM, PLAIN);
    multiply(valued, DIM, rows, at.values, scratch.values, DIM, PLAIN);
    for (int64_t prompt = 0; prompt < count; prompt++)
        for (int64_t head = 0; head < HEADS; head++) {
            int64_t own = prompt * at.tokens * DIM + head * DEPTH;
            transpose_keys(scratch.keys + own, DIM, at.tokens, DEPTH, scratch.turned);
            each_panel(at.tokens, Head<float>{scratch.queries + own, scratch.values + own, scratch.turned, scratch.bias,
                                              0, DIM, at.tokens, DEPTH, scratch.weights, scratch.seen + own, DIM});
        }
    Ending ending{Activation::NONE, at.residual ? valued : nullptr, DIM};
    multiply(scratch.seen, DIM, rows, at.outputs, at.out + start, DIM, ending);
    normalise_rows(at.out + start, rows, at.norm);
}

// Write rows [T, 128] by head, [8, T, 16].
INLINE void split_heads(const float *rows, int64_t tokens, float *out) {
    for (int64_t head = 0; head < HEADS; head++)
        for (int64_t token = 0; token < tokens; token++, out += CHANNELS)
            memcpy(out, rows + token * WIDTH + head * CHANNELS, sizeof(float) * CHANNELS);
}

INLINE void join_heads(const float *heads, int64_t tokens, float *rows) {
    for (int64_t head = 0; head < HEADS; head++)
        for (int64_t token = 0; token < tokens; token++, heads += CHANNELS)
            memcpy(rows + token * WIDTH + head * CHANNELS, heads, sizeof(float) * CHANNELS);
}

// Subtract from the rows of all tokens but the last, [T, 128], the last one or the mean; the mean replaces the last one.
INLINE void subtract_constant(float *rows, int64_t tokens, bool mean) {
    float *last = rows + (tokens - 1) * WIDTH;
    for (int64_t channel = 0; channel < WIDTH; channel += LANES) {
        Vector constant = load(last + channel);
        if (mean) {
            for (int64_t token = 0; token < tokens - 1; token++) constant += load(rows + token * WIDTH + channel);
            constant = constant * (1.f / tokens);
        }
        for (int64_t token = 0; token < tokens - 1; token++) {
            float *at = rows + token * WIDTH + channel;
            store(at, load(at) - constant);
        }
        store(last + channel, constant);
    }
}

struct ProjectionScratch {
    float *positioned, *projected;

    ProjectionScratch(Arena arena, const SamfleetProjections &at, int64_t *used = nullptr) {
        int64_t rows = rows_of_group(at.prompts, at.tokens);
        positioned = arena.take(rows * DIM);
        projected = arena.take(rows * WIDTH);
        if (used) *used = arena.used;
    }
};

INLINE void project(const SamfleetProjections &at, const ProjectionScratch &scratch, int64_t first, int64_t count) {
    int64_t rows = count * at.tokens, start = first * at.tokens * DIM;
    const float *positioned = sum_of_rows(at.x + start, at.positions + start, rows, scratch.positioned);
    for (const auto &each : at.each) {
        if (!each.out) continue;
        multiply(each.positioned ? positioned : at.x + start, DIM, rows, each.layer, scratch.projected, WIDTH, PLAIN);
        for (int64_t prompt = 0; prompt < count; prompt++) {
            float *own = scratch.projected + prompt * at.tokens * WIDTH;
            if (each.minus) subtract_constant(own, at.tokens, each.minus == 2);
            split_heads(own, at.tokens, each.out + (first + prompt) * at.tokens * WIDTH);
        }
    }
}

struct UpdateScratch {
    float *seen, *normal, *hidden, *zeros;

    UpdateScratch(Arena arena, const SamfleetTokenUpdate &at, int64_t *used = nullptr) {
        int64_t rows = rows_of_group(at.prompts, at.tokens);
        seen = arena.take(rows * WIDTH);
        normal = arena.take(rows * DIM);
        hidden = arena.take(rows * DIM);
        zeros = arena.take(DIM);
        if (used) *used = arena.used;
    }
};

INLINE void update(const SamfleetTokenUpdate &at, const UpdateScratch &scratch, int64_t first, int64_t count) {
    int64_t rows = count * at.tokens, start = first * at.tokens * DIM;
    float *out = at.out + start, *normal = at.hidden ? scratch.normal : out;
    for (int64_t prompt = 0; prompt < count; prompt++)
        join_heads(at.seen + (first + prompt) * at.tokens * WIDTH, at.tokens, scratch.seen + prompt * at.tokens * WIDTH);
    multiply(scratch.seen, WIDTH, rows, at.outputs, normal, DIM, Ending{Activation::NONE, at.x + start, DIM});
    normalise_rows(normal, rows, at.norm);
    Ending activated{at.gelu ? Activation::GELU : Activation::RELU, nullptr, 0};
    for (int64_t part = 0; part < at.hidden; part += DIM) {  // each weight is read once for all rows
        SamfleetLayer widen{at.widen + part * DIM, at.widen_bias + part, DIM, DIM};
        SamfleetLayer narrow{at.narrow + part * DIM, part ? scratch.zeros : at.narrow_bias, DIM, DIM};
        multiply(normal, DIM, rows, widen, scratch.hidden, DIM, activated);
        multiply(scratch.hidden, DIM, rows, narrow, out, DIM, Ending{Activation::NONE, part ? out : normal, DIM});
    }
    if (at.hidden) normalise_rows(out, rows, at.last_norm);
}

}  // namespace

extern "C" {

// Number of floats that a call needs as `memory`.
int64_t EXPORT(samfleet_token_attention_memory_)(const SamfleetTokenAttention *at) {
    int64_t used;
    AttentionScratch(Arena{nullptr, 0}, *at, &used);
    return used + LINE;
}

int64_t EXPORT(samfleet_projections_memory_)(const SamfleetProjections *at) {
    int64_t used;
    ProjectionScratch(Arena{nullptr, 0}, *at, &used);
    return used + LINE;
}

int64_t EXPORT(samfleet_token_update_memory_)(const SamfleetTokenUpdate *at) {
    int64_t used;
    UpdateScratch(Arena{nullptr, 0}, *at, &used);
    return used + LINE;
}

void EXPORT(samfleet_token_attention_)(const SamfleetTokenAttention *at, float *memory) {
    AttentionScratch scratch(Arena{aligned(memory), 0}, *at);
    for (int64_t key = 0; key < padded_keys(at->tokens); key++) scratch.bias[key] = key < at->tokens ? 0.f : -INFINITY;
    each_group(at->prompts, at->tokens, [&](int64_t first, int64_t count) { attend(*at, scratch, first, count); });
}

void EXPORT(samfleet_projections_)(const SamfleetProjections *at, float *memory) {
    ProjectionScratch scratch(Arena{aligned(memory), 0}, *at);
    each_group(at->prompts, at->tokens, [&](int64_t first, int64_t count) { project(*at, scratch, first, count); });
}

void EXPORT(samfleet_token_update_)(const SamfleetTokenUpdate *at, float *memory) {
    UpdateScratch scratch(Arena{aligned(memory), 0}, *at);
    memset(scratch.zeros, 0, sizeof(float) * DIM);
    each_group(at->prompts, at->tokens, [&](int64_t first, int64_t count) { update(*at, scratch, first, count); });
}
}
