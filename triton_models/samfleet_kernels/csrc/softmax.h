// Softmax over the tokens of a prompt, and over the image, tile by tile.
#pragma once
#include "products.h"
#include "transpose.h"

namespace {

// Softmax over the T rows of each head of `logits` [J, 64], in place.
INLINE void softmax_over_tokens(float *logits, int64_t tokens) {
    for (int64_t head = 0; head < HEADS; head++)
        for (int64_t column = 0; column < TILE; column += LANES) {
            float *at = logits + head * tokens * TILE + column;
            Vector most = load(at), sum = Vector{};
            for (int64_t row = 1; row < tokens; row++) most = greater(load(at + row * TILE), most);
            for (int64_t row = 0; row < tokens; row++) {
                Vector weight = exponential(load(at + row * TILE) - most);
                sum += weight;
                store(at + row * TILE, weight);
            }
            sum = 1.f / sum;
            for (int64_t row = 0; row < tokens; row++) store(at + row * TILE, load(at + row * TILE) * sum);
        }
}

// State of a softmax over the image: rows [J] of weights against `reference`, which moves only when a logit exceeds it
// by more than SLACK; e^SLACK times the largest image is far below the range of float32.
struct ImageSoftmax {
    static constexpr float SLACK = 8;
    float *reference;      // [J]
    float *total;          // [J, LANES]
    float *seen;           // [J, 16]: weighted values of the image
    float *gathered;       // [rows, padded]: weighted factors of the prompt, transposed; none if rows is 0
    int64_t pairs, rows, padded;

    void begin() const {
        for (int64_t row = 0; row < pairs; row++) reference[row] = -INFINITY;
        memset(total, 0, sizeof(float) * pairs * LANES);
        memset(seen, 0, sizeof(float) * pairs * CHANNELS);
        if (rows) memset(gathered, 0, sizeof(float) * rows * padded);
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

    void move(int64_t row, float top) const {
        float factor = reference[row] == -INFINITY ? 0.f : expf(reference[row] - top);
        reference[row] = top;
        for (int64_t lane = 0; lane < LANES; lane++) total[row * LANES + lane] *= factor;
        for (int64_t channel = 0; channel < CHANNELS; channel++) seen[row * CHANNELS + channel] *= factor;
        for (int64_t other = 0; other < rows; other++) gathered[other * padded + row] *= factor;
    }

    // Divide by the sums of the weights and write the gathered factors to `out` [J, rows].
    void end(float *out) const {
        for (int64_t row = 0; row < pairs; row++) {
            float inverse = 1.f / sum_of(load(total + row * LANES));
            for (int64_t channel = 0; channel < CHANNELS; channel++) seen[row * CHANNELS + channel] *= inverse;
            for (int64_t other = 0; other < rows; other++)
                out[row * rows + other] = gathered[other * padded + row] * inverse;
        }
    }
};

// Transpose `from` [rows, 64] to `to` [64, ld]; rows is a multiple of 4.
INLINE void transpose(const float *from, int64_t rows, float *to, int64_t ld) {
    for (int64_t row = 0; row < rows; row += 4)
        for (int64_t column = 0; column < TILE; column += 4)
            transpose_four(from + row * TILE + column, TILE, to + column * ld + row, ld);
}

}  // namespace
