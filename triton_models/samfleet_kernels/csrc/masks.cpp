// One mask from its low-resolution logits: interpolation along both axes, comparison with the thresholds, counts and
// packed bits, without storing logits of the image's size. Compiled once per instruction set.
#include "arena.h"
#include "interface.h"
#include "transpose.h"

namespace {

constexpr int64_t UPSAMPLED = 4;  // rows interpolated together, as many as are transposed at once
constexpr int64_t BLOCK = 16;     // pixels of a column that are decided together: two bytes of its bits
constexpr int THRESHOLDS = 3;
// Rounding of an interpolation along x and of its weights' sum, relative to the largest logit.
constexpr double ROUNDING = 20 / 16777216.0, SUM_ERROR = 8 / 16777216.0;

INLINE int64_t whole_lines(int64_t count) { return (count + LINE - 1) / LINE * LINE; }

// Bytes with their bits in reverse: the first pixel of a byte is its highest bit.
struct Reversed {
    uint8_t of[256];

    constexpr Reversed() : of() {
        for (int byte = 0; byte < 256; byte++)
            for (int bit = 0; bit < 8; bit++)
                if (byte >> bit & 1) of[byte] |= (uint8_t)(128 >> bit);
    }
};
constexpr Reversed REVERSED;

struct Scratch {
    float *rows, *lying;
    uint8_t *alike, *bits;  // bits of a column: where neighbouring columns are alike, and of the current one
    int32_t *mixed;         // numbers of the blocks with pixels on both sides of a threshold
    int64_t width, height;  // lengths of rows of `rows` and of `lying`

    Scratch(Arena arena, const SamfleetMaskSizes &sizes, int64_t *used = nullptr) {
        width = whole_lines(sizes.low_width), height = whole_lines(sizes.height);
        rows = arena.take(UPSAMPLED * width);
        lying = arena.take(width * (height + LINE));  // LINE more: rows of 4 KiB would share the sets of a cache
        mixed = (int32_t *)arena.take(height / BLOCK);
        alike = (uint8_t *)arena.take(height / 32 + LINE);
        bits = (uint8_t *)arena.take(height / 32 + 2 * LINE) + LINE * sizeof(float);  // zeros stand before them
        height += LINE;
        if (used) *used = arena.used;
    }
};

struct Mask {
    const SamfleetMaskSizes &sizes;
    const SamfleetMask &at;
    const Scratch &scratch;
    float above[THRESHOLDS], possibly[THRESHOLDS];  // thresholds for certain and for possible pixels
    float all_above, none_above;                    // further from all thresholds than an interpolation rounds

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

    // Decide the columns from `x` to `end`, which have the same taps. A weighted mean lies between its inputs, so where
    // these are all above the thresholds or all below, nothing is interpolated.
    void decide_columns(int64_t x, int64_t end) const {
        int64_t blocks = (sizes.height + BLOCK - 1) / BLOCK, whole = 0, mixed = 0;
        bool means = are_means(x, end);
        for (int64_t block = 0; block < blocks; block++) {
            int side = means && (block + 1) * BLOCK <= sizes.height ? side_of(at.x_first[x], block * BLOCK) : 0;
            memset(scratch.alike + 2 * block, side > 0 ? 255 : 0, 2);
            whole += side > 0;
            if (!side) scratch.mixed[mixed++] = (int32_t)block;
        }
        for (int number = 0; number < THRESHOLDS; number++) {
            at.certain[number] += whole * BLOCK * (end - x);
            at.possible[number] += whole * BLOCK * (end - x);
        }
        for (; x < end; x++) {
            memcpy(scratch.bits, scratch.alike, 2 * blocks);
            for (int64_t i = 0; i < mixed; i++) decide_block(x, scratch.mixed[i]);
            append(x * sizes.height);
        }
    }

    bool are_means(int64_t x, int64_t end) const {
        for (; x < end; x++) {
            double sum = 0;
            for (int64_t tap = 0; tap < sizes.x_taps; tap++) {
                float weight = at.x_weights[x * sizes.x_taps + tap];
                if (weight < 0) return false;
                sum += weight;
            }
            if (fabs(sum - 1) > SUM_ERROR) return false;
        }
        return true;
    }

    // Taps behind the last column have no weight.
    const float *lying_column(int64_t first, int64_t tap) const {
        int64_t from = first + tap;
        return scratch.lying + (from < sizes.low_width ? from : sizes.low_width - 1) * scratch.height;
    }

    // 1 if all inputs of a block are above all thresholds, -1 if none is above any, else 0.
    int side_of(int64_t first, int64_t y) const {
        constexpr uint32_t every = (1u << LANES) - 1;
        bool all = true, none = true;
        for (int64_t lane = 0; lane < BLOCK; lane += LANES) {
            Vector least = load(lying_column(first, 0) + y + lane), greatest = least;
            for (int64_t tap = 1; tap < sizes.x_taps; tap++) {
                Vector value = load(lying_column(first, tap) + y + lane);
                least = lesser(least, value);
                greatest = greater(greatest, value);
            }
            all = all && lanes_above(least, broadcast(all_above)) == every;
            none = none && lanes_above(broadcast(none_above), greatest) == every;
        }
        return (int)all - (int)none;
    }

    // Interpolate a block of column x, count its pixels above each threshold, and set their bits.
    void decide_block(int64_t x, int64_t block) const {
        const float *weights = at.x_weights + x * sizes.x_taps;
        uint32_t certain[THRESHOLDS] = {}, possible[THRESHOLDS] = {};
        for (int64_t lane = 0; lane < BLOCK; lane += LANES) {
            Vector sum = Vector{};
            for (int64_t tap = 0; tap < sizes.x_taps; tap++)
                sum += weights[tap] * load(lying_column(at.x_first[x], tap) + block * BLOCK + lane);
            for (int number = 0; number < THRESHOLDS; number++) {
                certain[number] |= lanes_above(sum, broadcast(above[number])) << lane;
                possible[number] |= lanes_above(sum, broadcast(possibly[number])) << lane;
            }
        }
        int64_t left = sizes.height - block * BLOCK;
        uint32_t inside = left < BLOCK ? (1u << left) - 1 : (1u << BLOCK) - 1;
        for (int number = 0; number < THRESHOLDS; number++) {
            uint32_t sure = certain[number] & inside, unsure = possible[number] & inside & ~sure;
            at.certain[number] += __builtin_popcount(sure);
            at.possible[number] += __builtin_popcount(sure | unsure);
            for (; unsure; unsure &= unsure - 1) list_unsure(number, x, block * BLOCK + __builtin_ctz(unsure));
        }
        uint32_t bits = certain[THRESHOLDS - 1] & inside;
        scratch.bits[2 * block] = REVERSED.of[bits & 255];
        scratch.bits[2 * block + 1] = REVERSED.of[bits >> 8];
    }

    void list_unsure(int64_t number, int64_t x, int64_t y) const {
        int64_t place = (*at.unsure_count)++;
        if (place >= sizes.most_unsure) return;
        at.unsure[place] = number;
        at.unsure[sizes.most_unsure + place] = x;
        at.unsure[2 * sizes.most_unsure + place] = y;
    }

    // Append the column's bits behind those of the `first` pixels before it.
    void append(int64_t first) const {
        int64_t start = first % 8, bytes = (start + sizes.height + 7) / 8;
        const uint8_t *from = scratch.bits;  // a byte of zeros stands before them, and behind the last block
        uint8_t *to = at.bits + first / 8;
        to[0] = (uint8_t)((start ? to[0] : 0) | from[0] >> start);
        for (int64_t byte = 1; byte < bytes; byte++)
            to[byte] = (uint8_t)((from[byte - 1] << 8 | from[byte]) >> start);
    }

    int64_t run() {
        double most = (double)largest(), tolerance = at.error * most, slack = tolerance + ROUNDING * most;
        if (!isfinite(tolerance)) return 1;
        double greatest = at.thresholds[0], least = at.thresholds[0];
        for (int number = 0; number < THRESHOLDS; number++) {
            above[number] = (float)(at.thresholds[number] + tolerance);
            possibly[number] = (float)(at.thresholds[number] - tolerance);
            greatest = fmax(greatest, at.thresholds[number]);
            least = fmin(least, at.thresholds[number]);
        }
        all_above = (float)(greatest + slack);
        none_above = (float)(least - slack);
        upsample_columns();
        memset(scratch.bits - 1, 0, 1);
        memset(scratch.bits + (sizes.height + BLOCK - 1) / BLOCK * 2, 0, 1);
        for (int64_t x = 0, end; x < sizes.width; x = end) {
            for (end = x + 1; end < sizes.width && at.x_first[end] == at.x_first[x];) end++;
            decide_columns(x, end);
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
    return Mask{*sizes, *at, scratch, {}, {}, 0, 0}.run();
}
}
