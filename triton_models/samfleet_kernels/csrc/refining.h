// HQ-SAM's refining mask of a prompt: two 3 x 3 convolutions of the up-scaled features, row of image tokens by row.
//
// A pixel row lies as its 4 phases: plane x has the pixels x, x + 4, x + 8 … of all channels, so a plane's columns are
// the image tokens of a row. Zeros around each row stand for the pixels outside. The first convolution goes along y in
// Winograd's form F(4, 3) with the points 0, ±2/3, ±3/2 and ∞: 6 products for 4 rows instead of 12. These points round
// least: the error is twice that of the direct form (measured). `samfleet_models.decoder.fused_refining` has the rest.
#pragma once
#include "arena.h"
#include "interface.h"
#include "upscaling.h"
#include "transpose.h"

namespace {

constexpr int64_t POINTS = 6, DEPTH = 3 * FEATURES, TAPS = 9;
constexpr float INNER = 2.f / 3, OUTER = 3.f / 2;  // the points' absolute values; their product is 1

// out [64, 64] = packed · operands: three blocks of 32 rows of depth, one for each neighbour in x.
struct Neighbours {
    const float *packed, *operands[3];
    int64_t width;
    float *out;

    template <int R>
    void run(int64_t first) const {
        for (int64_t column = 0; column < TILE; column += CHUNK) {
            Sums<R, COLUMNS> sums;
            sums.clear();
            for (int64_t side = 0; side < 3; side++)
                sums.add(packed + first * DEPTH + side * FEATURES * R, operands[side] + column, width, FEATURES);
            sums.write(out + first * TILE + column, TILE);
        }
    }
};

struct Refining {
    const SamfleetRefining *at = nullptr;
    int64_t side = 0, width = 0, ring = 0, next = 0;  // `next` row of image tokens to refine
    float *packed = nullptr, *taps = nullptr, *kernel = nullptr;
    float *features = nullptr, *mixed = nullptr, *products = nullptr, *hidden = nullptr;
    float *tapped = nullptr, *planes = nullptr, *sums = nullptr, *line = nullptr;

    // Takes nothing for a `side` of 0. Of a row of image tokens the row before and the row behind are needed.
    Refining(Arena &arena, int64_t tokens_in_row) : side(tokens_in_row) {
        if (!side) return;
        width = LINE + (side + TILE - 1) / TILE * TILE;
        bool whole = TILE % side == 0 || side % TILE == 0;
        ring = 3 + (whole ? TILE - 1 : TILE + side - 2) / side;  // and those that a tile of image tokens touches
        packed = arena.take(POINTS * HIDDEN * DEPTH);
        taps = arena.take(TAPS * HIDDEN);
        kernel = arena.take(FEATURES);
        features = arena.take(ring * CELL * row_floats());
        mixed = arena.take(POINTS * row_floats() + LINE);
        products = arena.take(POINTS * HIDDEN * TILE);
        hidden = arena.take(CELL * HIDDEN * TILE);
        tapped = arena.take(TAPS * TILE);
        planes = arena.take(CELL * TAPS * CELL * width + LINE);
        sums = arena.take((CELL * side + 2) * CELL * width);
        line = arena.take(CELL * side);
    }

    int64_t row_floats() const { return CELL * FEATURES * width; }

    // A row of pixels in the ring, from -1.
    float *row(int64_t y) const { return features + (y + CELL * ring) % (CELL * ring) * row_floats(); }

    void begin(const SamfleetRefining *arrays) {
        at = arrays;
        for (int64_t point = 0; point < POINTS; point++) {
            int64_t part = point * HIDDEN * DEPTH;
            each_panel(HIDDEN, Packing{at->first + part, DEPTH, 0, DEPTH, packed + part});
        }
        each_panel(TAPS, Packing{at->taps, HIDDEN, 0, HIDDEN, taps});
        memcpy(kernel, at->kernel, sizeof(float) * FEATURES);
        memset(features, 0, sizeof(float) * ring * CELL * row_floats());
        memset(mixed + POINTS * row_floats(), 0, sizeof(float) * LINE);
        memset(planes, 0, sizeof(float) * (CELL * TAPS * CELL * width + LINE));
        memset(sums, 0, sizeof(float) * (CELL * side + 2) * CELL * width);
    }

    // Take the features [32, 64] of the pixel (y, x) of the image tokens from `start` on.
    void take(int64_t start, int64_t valid, int64_t y, int64_t x, const float *from) const {
        for (int64_t column = 0, length; column < valid; column += length) {
            int64_t top = (start + column) / side, left = (start + column) % side;
            length = side - left < valid - column ? side - left : valid - column;
            float *to = row(CELL * top + y) + x * FEATURES * width + LINE + left;
            for (int64_t channel = 0; channel < FEATURES; channel++)
                memcpy(to + channel * width, from + channel * TILE + column, sizeof(float) * length);
        }
    }

    // Refine the rows that are complete, with the row behind them, once the image tokens before `end` were taken.
    void refine(int64_t end) {
        int64_t complete = end / side;
        for (; next + 1 < complete || (complete == side && next < side); next++) {
            if (next + 1 == side) memset(row(CELL * side), 0, sizeof(float) * row_floats());
            mix();
            for (int64_t x = 0; x < CELL; x++)
                for (int64_t column = 0; column < side; column += TILE) convolve(x, column);
            spread();
        }
    }

    // mixed [6, row] = the six points' sums of the rows from -1 to 4.
    void mix() const {
        constexpr float low = INNER * INNER, high = OUTER * OUTER;
        const float *rows[POINTS];
        for (int64_t y = 0; y < POINTS; y++) rows[y] = row(CELL * next + y - 1);
        for (int64_t i = 0, count = row_floats(); i < count; i += LANES) {
            Vector one = load(rows[1] + i), two = load(rows[2] + i), three = load(rows[3] + i), four = load(rows[4] + i);
            Vector even = four - high * two, odd = INNER * (three - high * one);
            Vector far_even = four - low * two, far_odd = OUTER * (three - low * one);
            Vector parts[POINTS] = {load(rows[0] + i) - (low + high) * two + four, even + odd, even - odd,
                                    far_even + far_odd, far_even - far_odd,
                                    one - (low + high) * three + load(rows[5] + i)};
            for (int64_t point = 0; point < POINTS; point++) store(mixed + point * count + i, parts[point]);
        }
    }

    // Both convolutions of the pixels x of 64 image tokens, in all four rows.
    void convolve(int64_t x, int64_t column) const {
        for (int64_t point = 0; point < POINTS; point++) {
            const float *own = mixed + point * row_floats() + LINE + column;
            auto plane = [&](int64_t phase) { return own + phase * FEATURES * width; };
            each_panel(HIDDEN, Neighbours{packed + point * HIDDEN * DEPTH,
                                          {x ? plane(x - 1) : plane(CELL - 1) - 1, plane(x),
                                           x + 1 < CELL ? plane(x + 1) : plane(0) + 1},
                                          width, products + point * HIDDEN * TILE});
        }
        alignas(64) float squares[CELL * TILE] = {};
        combine(squares);
        int64_t valid = side - column < TILE ? side - column : TILE;
        for (int64_t y = 0; y < CELL; y++) {
            float *own = hidden + y * HIDDEN * TILE;
            invert_deviations(squares + y * TILE, at->epsilon);
            activate(own, squares + y * TILE, 0, at->norm_weight, at->norm_bias);
            each_panel(TAPS, Layer<float>{taps, own, HIDDEN, nullptr, nullptr, tapped});
            for (int64_t tap = 0; tap < TAPS; tap++)
                memcpy(plane_of(y, tap, x) + column, tapped + tap * TILE, sizeof(float) * valid);
        }
    }

    float *plane_of(int64_t y, int64_t tap, int64_t x) const {
        return planes + ((y * TAPS + tap) * CELL + x) * width + LINE;
    }

    // hidden [4, 64, 64] from the six points' products, with the bias; adds the squares over the channels.
    void combine(float *squares) const {
        constexpr float low = INNER * INNER, high = OUTER * OUTER;
        for (int64_t channel = 0; channel < HIDDEN; channel++)
            for (int64_t column = 0; column < TILE; column += LANES) {
                Vector at_point[POINTS], bias = broadcast(at->first_bias[channel]);
                for (int64_t point = 0; point < POINTS; point++)
                    at_point[point] = load(products + (point * HIDDEN + channel) * TILE + column);
                Vector even = at_point[1] + at_point[2], odd = at_point[1] - at_point[2];
                Vector far_even = at_point[3] + at_point[4], far_odd = at_point[3] - at_point[4];
                Vector rows[CELL] = {at_point[0] + even + far_even + bias, INNER * odd + OUTER * far_odd + bias,
                                     low * even + high * far_even + bias,
                                     low * INNER * odd + high * OUTER * far_odd + at_point[5] + bias};
                for (int64_t y = 0; y < CELL; y++) {
                    store(hidden + (y * HIDDEN + channel) * TILE + column, rows[y]);
                    float *sum = squares + y * TILE + column;
                    store(sum, load(sum) + rows[y] * rows[y]);
                }
            }
    }

    // Add what each pixel contributes to its neighbours and to itself.
    void spread() const {
        for (int64_t y = 0; y < CELL; y++)
            for (int64_t tap = 0; tap < TAPS; tap++)
                for (int64_t x = 0; x < CELL; x++) {
                    int64_t target = x + tap % 3 - 1, carry = target < 0 ? -1 : target / CELL;
                    const float *from = plane_of(y, tap, x) - carry;
                    float *to = sums + (CELL * next + y + tap / 3) * CELL * width + (target - carry * CELL) * width;
                    for (int64_t i = 0; i < width - LINE; i += LANES) store(to + i, load(to + i) + load(from + i));
                }
    }

    // Add the refining mask to the masks `out` [masks, 4 side, 4 side].
    void add_to(float *out, int64_t masks) const {
        for (int64_t y = 0; y < CELL * side; y++) {
            interleave_four(sums + (y + 1) * CELL * width, width, side, line);
            for (int64_t mask = 0; mask < masks; mask++) {
                float *to = out + (mask * CELL * side + y) * CELL * side;
                for (int64_t x = 0; x < CELL * side; x++) to[x] += line[x];
            }
        }
    }
};

}  // namespace
