// Mean and variance of the numbers of many tiles.
#pragma once
#include "upscaling.h"

namespace {

// A tile's deviations are summed around its own mean: one sum of squares would lose the variance of numbers that are
// far from zero.
struct Moments {
    double count = 0, mean = 0, deviations = 0;

    // Add the first `valid` columns of hidden [64, 64].
    void add(const float *hidden, int64_t valid) {
        double size = (double)(valid * HIDDEN), total = count + size;
        float own = (float)(columns(hidden, valid, 0, false) / size);
        double apart = own - mean;
        deviations += columns(hidden, valid, own, true) + apart * apart * count * size / total;
        mean += apart * size / total;
        count = total;
    }

    static double columns(const float *hidden, int64_t valid, float around, bool squared) {
        alignas(64) float sums[TILE];
        for (int64_t column = 0; column < TILE; column += LANES) {
            Vector sum = Vector{};
            for (int64_t channel = 0; channel < HIDDEN; channel++) {
                Vector value = load(hidden + channel * TILE + column) - broadcast(around);
                sum += squared ? value * value : value;
            }
            store(sums + column, sum);
        }
        double sum = 0;
        for (int64_t column = 0; column < valid; column++) sum += sums[column];
        return sum;
    }
};

}  // namespace
