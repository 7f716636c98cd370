// One mask from its low-resolution logits: interpolation along both axes, comparison with the thresholds, counts and
// packed bits, without storing logits of the image's size. Compiled once per instruction set.
#include "arena.h"
#include "interface.h"
#include "transpose.h"

namespace {

constexpr int64_t UPSAMPLED = 4;  // rows interpolated together, as many as are transposed at once

INLINE int64_t whole_lines(int64_t count) { return (count + LINE - 1) / LINE * LINE; }

struct Scratch {
    float *rows, *lying, *column;
    uint8_t *flags;
    int64_t width, height;  // lengths of rows of `rows` and of `lying`

    Scratch(Arena arena, const SamfleetMaskSizes &sizes, int64_t *used = nullptr) {
        width = whole_lines(sizes.low_width), height = whole_lines(sizes.height);
        rows = arena.take(UPSAMPLED * width);
        lying = arena.take(width * (height + LINE));  // LINE more: rows of 4 KiB would share the sets of a cache
        height += LINE;
        column = arena.take(height);
        flags = (uint8_t *)arena.take(height / 4 + LINE);
        if (used) *used = arena.used;
    }
};

struct Mask {
    const SamfleetMaskSizes &sizes;
    const SamfleetMask &at;
    const Scratch &scratch;
    float above[3], possibly[3];  // thresholds for certain and for possible pixels

    // The largest absolute logit; not finite if any logit is not.
    float largest() const {
        float most = 0, check = 0;
        for (int64_t y = 0; y < sizes.low_height; y++) {
            const float *row = at.logits + y * sizes.low_stride;
            Vector greatest = Vector{}, other = Vector{};
            int64_t x = 0;
            for (; x + LANES <= sizes.low_width; x += LANES) {
                Vector value = load(row + x);
                greatest = greater(value, greatest);
                greatest = greater(-value, greatest);
                other += value * 0.f;
            }
            most = fmaxf(most, greatest_of(greatest));
            check += sum_of(other);
            for (; x < sizes.low_width; x++) {
                most = fmaxf(most, fabsf(row[x]));
                check += row[x] * 0.f;
            }
        }
        return most + check;
    }

    // Interpolate down the columns, and transpose: lying [low width, height].
    void upsample_columns() const {
        for (int64_t y = 0; y < sizes.height; y += UPSAMPLED) {
            for (int64_t own = 0; own < UPSAMPLED; own++) {
                int64_t row = y + own < sizes.height ? y + own : sizes.height - 1;
                upsample_row(row, scratch.rows + own * scratch.width);
            }
            for (int64_t x = 0; x < scratch.width; x += 4)
                transpose_four(scratch.rows + x, scratch.width, scratch.lying + x * scratch.height + y, scratch.height);
        }
    }

    void upsample_row(int64_t y, float *to) const {
        const float *weights = at.y_weights + y * sizes.y_taps;
        int64_t x = 0;
        for (; x + LANES <= sizes.low_width; x += LANES) {
            Vector sum = Vector{};
            for (int64_t tap = 0; tap < sizes.y_taps; tap++) sum += weights[tap] * load(low_row(y, tap) + x);
            store(to + x, sum);
        }
        for (; x < sizes.low_width; x++) {
            float sum = 0;
            for (int64_t tap = 0; tap < sizes.y_taps; tap++) sum += weights[tap] * low_row(y, tap)[x];
            to[x] = sum;
        }
        for (; x < scratch.width; x++) to[x] = 0;
    }

    // Taps behind the last row have no weight.
    const float *low_row(int64_t y, int64_t tap) const {
        int64_t row = at.y_first[y] + tap;
        return at.logits + (row < sizes.low_height ? row : sizes.low_height - 1) * sizes.low_stride;
    }

    // Interpolate one column of the image.
    void upsample_column(int64_t x) const {
        const float *weights = at.x_weights + x * sizes.x_taps;
        for (int64_t y = 0; y < sizes.height; y += LANES) {
            Vector sum = Vector{};
            for (int64_t tap = 0; tap < sizes.x_taps; tap++) {
                int64_t from = at.x_first[x] + tap;
                if (from >= sizes.low_width) from = sizes.low_width - 1;
                sum += weights[tap] * load(scratch.lying + from * scratch.height + y);
            }
            store(scratch.column + y, sum);
        }
        for (int64_t y = sizes.height; y < scratch.height; y++) scratch.column[y] = -INFINITY;
    }

    // Count the column's pixels above each threshold; returns how many are possible but not certain.
    int64_t count() const {
        Integers certain[3] = {}, possible[3] = {};
        for (int64_t y = 0; y < sizes.height; y += LANES) {
            Vector value = load(scratch.column + y);
            for (int number = 0; number < 3; number++) {
                certain[number] -= (Integers)(value > broadcast(above[number]));
                possible[number] -= (Integers)(value > broadcast(possibly[number]));
            }
        }
        int64_t unsure = 0;
        for (int number = 0; number < 3; number++) {
            int64_t sure = 0, all = 0;
            for (int lane = 0; lane < LANES; lane++) sure += certain[number][lane], all += possible[number][lane];
            at.certain[number] += sure;
            at.possible[number] += all;
            unsure += all - sure;
        }
        return unsure;
    }

    void list_unsure(int64_t x) const {
        for (int64_t number = 0; number < 3; number++)
            for (int64_t y = 0; y < sizes.height; y++) {
                float value = scratch.column[y];
                if (!(value > possibly[number]) || value > above[number]) continue;
                if (*at.unsure_count < sizes.most_unsure) {
                    at.unsure[*at.unsure_count] = number;
                    at.unsure[sizes.most_unsure + *at.unsure_count] = x;
                    at.unsure[2 * sizes.most_unsure + *at.unsure_count] = y;
                }
                ++*at.unsure_count;
            }
    }

    static void compare(const float *__restrict column, int64_t height, float threshold, uint8_t *__restrict flags) {
        for (int64_t y = 0; y < height; y++) flags[y] = column[y] > threshold;
    }

    // Append the column's bits behind those of the `first` pixels before it.
    void pack(int64_t first) const {
        int64_t start = first % 8, height = sizes.height, bytes = (start + height + 7) / 8;
        uint8_t *flags = scratch.flags, *to = at.bits + first / 8;
        memset(flags, 0, 8);  // the flags before and behind the column in its first and last byte
        memset(flags + start + height, 0, 8);
        compare(scratch.column, height, above[2], flags + start);
        for (int64_t byte = 0; byte < bytes; byte++) {
            uint64_t eight;  // the first flag in the lowest byte; the product moves it to the highest bit
            memcpy(&eight, flags + byte * 8, sizeof eight);
            to[byte] |= (uint8_t)((eight * 0x8040201008040201ull) >> 56);
        }
    }

    int64_t run() {
        double tolerance = at.error * (double)largest();
        if (!isfinite(tolerance)) return 1;
        for (int number = 0; number < 3; number++) {
            above[number] = (float)(at.thresholds[number] + tolerance);
            possibly[number] = (float)(at.thresholds[number] - tolerance);
        }
        upsample_columns();
        for (int64_t x = 0; x < sizes.width; x++) {
            upsample_column(x);
            if (count()) list_unsure(x);
            pack(x * sizes.height);
        }
        return 0;
    }
};

}  // namespace

extern "C" {

// Number of floats that a mask needs as `memory`.
int64_t EXPORT(samfleet_mask_memory_)(const SamfleetMaskSizes *sizes) {
    int64_t used;
    Scratch(Arena{nullptr, 0}, *sizes, &used);
    return used + LINE;
}

// Returns 1 if a logit is not finite; then nothing is written.
int64_t EXPORT(samfleet_mask_)(const SamfleetMaskSizes *sizes, const SamfleetMask *at, float *memory) {
    Scratch scratch(Arena{aligned(memory), 0}, *sizes);
    return Mask{*sizes, *at, scratch, {}, {}}.run();
}
}
