// Softmax over the tokens of a prompt, and over the image, tile by tile.
#pragma once
#include "products.h"

namespace {

// Softmax over the T rows of each head of `logits` [J, 64], which are overwritten. The weights of the first T - 1 are
// written to `weights` [8 (T - 1), 64]: they sum to 1, so that is all of them. For products in bfloat16 it is what they
// differ from the last one (`MeanRows` in `samfleet_models.decoder.token_rows`).
INLINE void softmax_over_tokens(float *logits, int64_t tokens, float *weights) {
    for (int64_t head = 0; head < HEADS; head++)
        for (int64_t column = 0; column < TILE; column += LANES) {
            float *at = logits + head * tokens * TILE + column;
            float *to = weights + head * (tokens - 1) * TILE + column;
            Vector most = load(at), sum = Vector{};
            for (int64_t row = 1; row < tokens; row++) most = greater(load(at + row * TILE), most);
            for (int64_t row = 0; row < tokens; row++) {
                Vector weight = exponential(load(at + row * TILE) - most);
                sum += weight;
                store(at + row * TILE, weight);
            }
            sum = 1.f / sum;
            Vector last = STEP == 1 ? Vector{} : load(at + (tokens - 1) * TILE);
            for (int64_t row = 0; row < tokens - 1; row++)
                store(to + row * TILE, (load(at + row * TILE) - last) * sum);
        }
}

// State of a softmax over the image: rows [J] of weights against `reference`, which moves only when a logit exceeds it
// by more than SLACK; e^SLACK times the largest image is far below the range of float32.
struct ImageSoftmax {
    static constexpr float SLACK = 8;
    float *reference;      // [J]
    float *total;          // [J, LANES]
    float *seen;           // [J, 16]: weighted values of the image
    float *constants[2];   // [J, LANES] for each layer's constant row: its weighted factor; null behind the layers
    float *gathered;       // [J, padded]: weighted factors of the prompt
    int64_t pairs, padded;

    void begin() const {
        for (int64_t row = 0; row < pairs; row++) reference[row] = -INFINITY;
        memset(total, 0, sizeof(float) * pairs * LANES);
        memset(seen, 0, sizeof(float) * pairs * CHANNELS);
        for (float *sums : constants)
            if (sums) memset(sums, 0, sizeof(float) * pairs * LANES);
        memset(gathered, 0, sizeof(float) * pairs * padded);
    }

    // Replace `logits` [J, 64] by weights; those of the columns from `valid` on are 0.
    void weigh(float *logits, int64_t valid) const {
        for (int64_t row = 0; row < pairs; row++) {
            float *at = logits + row * TILE;
            for (int64_t column = valid; column < TILE; column++) at[column] = -INFINITY;
            Vector most = load(at);
            for (int64_t column = LANES; column < TILE; column += LANES) most = greater(load(at + column), most);
            float top = greatest_of(most);
            if (!(top <= reference[row] + SLACK)) move(row, top);
            Vector sum = load(total + row * LANES), base = broadcast(reference[row]);
            for (int64_t column = 0; column < TILE; column += LANES)
                store(at + column, exponential(load(at + column) - base));
            for (int64_t column = valid; column < TILE; column++) at[column] = 0;
            for (int64_t column = 0; column < TILE; column += LANES) sum += load(at + column);
            store(total + row * LANES, sum);
        }
    }

    // scaled [J, 64] = weights * factor, the factor [64] of a layer's constant row, whose sums it adds. Both may be one.
    void gather_constant(int layer, const float *weights, const float *factor, float *scaled) const {
        for (int64_t row = 0; row < pairs; row++) {
            Vector sum = load(constants[layer] + row * LANES);
            for (int64_t column = 0; column < TILE; column += LANES) {
                Vector weight = load(weights + row * TILE + column) * load(factor + column);
                sum += weight;
                store(scaled + row * TILE + column, weight);
            }
            store(constants[layer] + row * LANES, sum);
        }
    }

    void move(int64_t row, float top) const {
        float factor = reference[row] == -INFINITY ? 0.f : expf(reference[row] - top);
        reference[row] = top;
        scale_row(row, factor);
        for (int64_t lane = 0; lane < LANES; lane++) total[row * LANES + lane] *= factor;
    }

    void scale_row(int64_t row, float factor) const {
        for (int64_t channel = 0; channel < CHANNELS; channel++) seen[row * CHANNELS + channel] *= factor;
        for (float *sums : constants)
            for (int64_t lane = 0; sums && lane < LANES; lane++) sums[row * LANES + lane] *= factor;
        for (int64_t other = 0; other < padded; other++) gathered[row * padded + other] *= factor;
    }

    // Divide by the sums of the weights and write the gathered factors to `out` [J, columns + layers]: `columns` of all
    // layers, and their constants.
    void end(float *out, int64_t columns) const {
        for (int64_t row = 0; row < pairs; row++) {
            scale_row(row, 1.f / sum_of(load(total + row * LANES)));
            if (columns) memcpy(out, gathered + row * padded, sizeof(float) * columns);
            out += columns;
            for (float *sums : constants)
                if (sums) *out++ = sum_of(load(sums + row * LANES));
        }
    }
};

}  // namespace
