// The up-scaling of a prompt's image tokens and its masks' products with it, tile by tile, compiled once per
// instruction set.
//
// Channels are rows and image tokens are columns throughout, so that a LayerNorm over channels and a GELU work on whole
// vectors. Of each of the 16 pixels of an image token only the logits leave the caches.
#include "arena.h"
#include "interface.h"
#include "upscaling.h"
#include "moments.h"
#include "operands.h"
#include "refining.h"

namespace {

constexpr int64_t LAYERS = 2;
constexpr int64_t UNDER = SUBPIXELS * HIDDEN;  // columns of U
constexpr int64_t CONSTANTS = LAYERS;  // the last factors, which are large: they stay numbers where operands are rounded

INLINE int64_t depth_of(int64_t tokens) { return LAYERS * HEADS * (tokens - 1); }  // the other factors
INLINE int64_t rows_of(int64_t tokens) { return depth_of(tokens) + CONSTANTS; }    // K

// Write the constant of a layer: the sum of its heads' last tokens' rows, and `shift` if any. `values` and `matrices` are
// those of its first head.
INLINE void project_constant(const float *values, const float *matrices, int64_t tokens, const float *shift, float *to) {
    for (int64_t column = 0; column < UNDER; column += CHUNK) {
        Sums<1, COLUMNS> sums;
        sums.clear();
        if (shift) sums.read(shift + column, UNDER);
        for (int64_t head = 0; head < HEADS; head++)
            sums.add_strided(values + ((head + 1) * tokens - 1) * CHANNELS, 1, CHANNELS,
                             matrices + head * CHANNELS * UNDER + column, UNDER, CHANNELS);
        sums.write(to + column, UNDER);
    }
}

// Write the rows W U [K, 256] of a prompt: those of all tokens of each head but the last, then each layer's constant.
INLINE void project(const SamfleetDrawing &at, int64_t tokens, float *rows) {
    HeadRows work{at.values, at.matrices, UNDER, rows};
    for (int64_t layer = 0; layer < LAYERS; layer++) {
        float *constant = rows + (depth_of(tokens) + layer) * UNDER;
        project_constant(work.left, work.matrix, tokens, layer ? at.shift : nullptr, constant);
        for (int64_t head = 0; head < HEADS; head++) {
            each_panel<HEAD_ROWS>(tokens - 1, work);
            work.left += tokens * CHANNELS;
            work.matrix += CHANNELS * UNDER;
            work.out += (tokens - 1) * UNDER;
        }
    }
}

// Packs columns of `matrix` [depth, ld] as panels of operands [steps, R] one after the other, and those of the constants
// behind it as panels [CONSTANTS, R].
struct ColumnPacking {
    const float *matrix;
    int64_t ld, depth;
    Operand *packed;
    float *constants;

    template <int R>
    void run(int64_t first) const {
        Operand *panel = packed + first * steps(depth);
        for (int64_t k = 0; k < depth; k += STEP)
            for (int row = 0; row < R; row++) {
                const float *own = matrix + k * ld + first + row;
                *panel++ = operand(own[0], k + 1 < depth ? own[ld] : 0.f);
            }
        float *behind = constants + first * CONSTANTS;
        for (int64_t k = depth; k < depth + CONSTANTS; k++)
            for (int row = 0; row < R; row++) *behind++ = matrix[k * ld + first + row];
    }
};

// hidden [64, 64] = base * scale + bias + constants + packed · factors, and the sums of its squares over the channels.
struct FirstConvolution {
    const float *base, *scale;       // table of the tile and sub-pixel, [64]
    const float *bias, *constants;   // [64] or null, table or null
    const Operand *packed, *factors;  // packed [64, depth], [depth, 64]
    int64_t depth;
    const float *packed_constants, *constant_factors;  // packed [64, CONSTANTS], [CONSTANTS, 64]
    float *hidden, *squares;

    template <int R>
    void run(int64_t first) const {
        for (int64_t column = 0; column < TILE; column += CHUNK) {
            int64_t at = first * TILE + column;
            Sums<R, COLUMNS> sums;
#pragma GCC unroll 8
            for (int row = 0; row < R; row++)  // those of the next panel, from memory while this one is computed
#pragma GCC unroll 8
                for (int next = 0; next < CHUNK; next += LINE) __builtin_prefetch(base + at + (R + row) * TILE + next);
            sums.read(base + at, TILE);
            sums.scale(scale + column);
            if (bias) sums.add_to_rows(bias + first);
            if (constants) sums.add_matrix(constants + at, TILE);
            sums.add(packed + first * steps(depth), factors + column, TILE, steps(depth));
            sums.add(packed_constants + first * CONSTANTS, constant_factors + column, TILE, CONSTANTS);
            sums.write(hidden + at, TILE);
            sums.dot_self(squares + column);
        }
    }
};

struct Scratch {
    Operand *projected, *second, *summed, *activated;  // the last two: a tile's factors and hidden channels
    float *rows;                                       // W U [K, 256]
    float *constants, *kernels, *hidden, *features, *logits, *own, *drawn;
    Refining refining;

    Scratch(Arena arena, const SamfleetDrawingSizes &sizes, int64_t *used = nullptr)
        : refining(arena, sizes.refined ? sizes.side : 0) {
        int64_t blocks = sizes.together ? (sizes.pixels + TILE - 1) / TILE * SUBPIXELS : 1;
        int64_t depth = steps(depth_of(sizes.tokens));
        rows = arena.take(rows_of(sizes.tokens) * UNDER);
        projected = arena.take<Operand>(SUBPIXELS * HIDDEN * depth);
        second = arena.take<Operand>(SUBPIXELS * FEATURES * steps(HIDDEN));
        summed = STEP == 1 ? nullptr : arena.take<Operand>(depth * TILE);
        activated = STEP == 1 ? nullptr : arena.take<Operand>(steps(HIDDEN) * TILE);
        constants = arena.take(SUBPIXELS * HIDDEN * CONSTANTS);
        kernels = arena.take(sizes.masks * FEATURES);
        hidden = arena.take(blocks * HIDDEN * TILE);
        features = arena.take(FEATURES * TILE);
        logits = arena.take(sizes.masks * TILE);
        own = arena.take(TILE);
        drawn = arena.take(sizes.masks * PIXELS * TILE);
        if (used) *used = arena.used;
    }
};

struct Draw {
    const SamfleetDrawingSizes &sizes;
    const SamfleetDrawing &at;
    Scratch &scratch;
    Moments moments;

    void pack() const {
        project(at, sizes.tokens, scratch.rows);
        for (int64_t sub = 0; sub < SUBPIXELS; sub++) {
            int64_t depth = depth_of(sizes.tokens);
            each_panel(HIDDEN, ColumnPacking{scratch.rows + sub * HIDDEN, UNDER, depth,
                                             scratch.projected + sub * HIDDEN * steps(depth),
                                             scratch.constants + sub * HIDDEN * CONSTANTS});
            each_panel(FEATURES, OperandPacking{at.second + sub * FEATURES * HIDDEN, HIDDEN, HIDDEN,
                                                scratch.second + sub * FEATURES * steps(HIDDEN)});
        }
        each_panel(sizes.masks, Packing{at.kernels, FEATURES, 0, FEATURES, scratch.kernels});
    }

    void run() {
        pack();
        if (sizes.refined) scratch.refining.begin(at.refining);
        if (sizes.together)
            for (int64_t start = 0; start < sizes.pixels; start += TILE) {
                const Operand *summed = factors_of(start);
                for (int64_t part = start / TILE * SUBPIXELS, end = part + SUBPIXELS; part < end; part++) {
                    alignas(64) float squares[TILE] = {};
                    first_convolution(part, summed, hidden_of(part), squares);
                    moments.add(hidden_of(part), valid_from(start));
                }
            }
        for (int64_t start = 0; start < sizes.pixels; start += TILE) {
            tile(start);
            if (sizes.refined) scratch.refining.refine(start + valid_from(start));
        }
        if (sizes.refined) scratch.refining.add_to(at.out, sizes.masks);
    }

    int64_t valid_from(int64_t start) const { return sizes.pixels - start < TILE ? sizes.pixels - start : TILE; }

    // The factors of a tile, without those of the constant rows, as operands.
    const Operand *factors_of(int64_t start) const {
        return summed_over(at.image + start * rows_of(sizes.tokens), depth_of(sizes.tokens), scratch.summed);
    }

    // The channels of a sub-pixel; `part` counts those of all tiles. With a norm over all of them, they are kept.
    float *hidden_of(int64_t part) const { return scratch.hidden + (sizes.together ? part * HIDDEN * TILE : 0); }

    void tile(int64_t start) const {
        int64_t valid = valid_from(start);
        const Operand *summed = sizes.together ? nullptr : factors_of(start);
        for (int64_t sub = 0; sub < SUBPIXELS; sub++) {
            float *hidden = hidden_of(start / TILE * SUBPIXELS + sub);
            normalised(start / TILE * SUBPIXELS + sub, summed, hidden);
            const Operand *activated = summed_over(hidden, HIDDEN, scratch.activated);
            for (int64_t inner = 0; inner < SUBPIXELS; inner++) second_convolution(start, sub, inner, activated);
        }
        for (int64_t mask = 0; mask < sizes.masks; mask++) write(mask, start, valid);
    }

    // Fill `hidden` with the channels of a sub-pixel before the norm, and add their squares.
    void first_convolution(int64_t part, const Operand *summed, float *hidden, float *squares) const {
        alignas(64) float scale[TILE];
        int64_t start = part / SUBPIXELS * TILE, sub = part % SUBPIXELS, block = part * HIDDEN * TILE;
        read_row(at.scale + start, valid_from(start), scale);
        int64_t depth = depth_of(sizes.tokens);
        each_panel(HIDDEN, FirstConvolution{at.base + block, scale, at.bias ? at.bias + sub * HIDDEN : nullptr,
                                            at.constants ? at.constants + block : nullptr,
                                            scratch.projected + sub * HIDDEN * steps(depth), summed, depth,
                                            scratch.constants + sub * HIDDEN * CONSTANTS,
                                            at.image + start * rows_of(sizes.tokens) + depth * TILE, hidden, squares});
    }

    // Fill `hidden` with the normalised and activated channels of a sub-pixel.
    void normalised(int64_t part, const Operand *summed, float *hidden) const {
        alignas(64) float factors[TILE] = {};
        float shift = 0;
        if (sizes.together) {
            double factor = 1 / sqrt(moments.deviations / moments.count + at.epsilon);
            shift = (float)(moments.mean * factor);
            for (float &column : factors) column = (float)factor;
        } else {
            first_convolution(part, summed, hidden, factors);
            invert_deviations(factors, at.epsilon);
        }
        activate(hidden, factors, shift, at.norm_weight, at.norm_bias);
    }

    // Draw the pixel `inner` of a sub-pixel for all masks.
    void second_convolution(int64_t start, int64_t sub, int64_t inner, const Operand *activated) const {
        int64_t terms = ((start / TILE * SUBPIXELS + sub) * SUBPIXELS + inner) * FEATURES * TILE;
        each_panel(FEATURES, Layer<Operand>{scratch.second + inner * FEATURES * steps(HIDDEN), activated,
                                            steps(HIDDEN), at.second_bias + inner * FEATURES,
                                            at.terms ? at.terms + terms : nullptr, scratch.features});
        for (int64_t at = 0; at < FEATURES * TILE; at += LANES)
            store(scratch.features + at, gelu(load(scratch.features + at)));
        each_panel(sizes.masks,
                   Layer<float>{scratch.kernels, scratch.features, FEATURES, nullptr, nullptr, scratch.logits});
        int64_t y = sub / 2 * 2 + inner / 2, x = sub % 2 * 2 + inner % 2;
        if (sizes.refined) refined(start, y, x, at.refining->image + terms);
        for (int64_t mask = 0; mask < sizes.masks; mask++)
            memcpy(scratch.drawn + (mask * PIXELS + CELL * y + x) * TILE, scratch.logits + mask * TILE,
                   sizeof(float) * TILE);
    }

    // Add the refining mask's product with the image's own features [32, 64], and take the prompt's for the rest of it.
    void refined(int64_t start, int64_t y, int64_t x, const float *image) const {
        each_panel(1, Layer<float>{scratch.refining.kernel, image, FEATURES, at.refining->constant, nullptr, scratch.own});
        for (int64_t at = 0; at < sizes.masks * TILE; at += LANES)
            store(scratch.logits + at, load(scratch.logits + at) + load(scratch.own + at % TILE));
        scratch.refining.take(start, valid_from(start), y, x, scratch.features);
    }

    // Write a tile of one mask; four neighbours in x come from four rows of `drawn`.
    void write(int64_t mask, int64_t start, int64_t valid) const {
        float *image = at.out + mask * PIXELS * sizes.pixels;
        for (int64_t y = 0; y < CELL; y++) {
            const float *rows = scratch.drawn + (mask * PIXELS + CELL * y) * TILE;
            for (int64_t column = 0, length; column < valid; column += length) {
                int64_t top = (start + column) / sizes.side, left = (start + column) % sizes.side;
                length = sizes.side - left < valid - column ? sizes.side - left : valid - column;
                float *to = image + ((CELL * top + y) * sizes.side + left) * CELL;
                interleave_four(rows + column, TILE, length, to);
            }
        }
    }
};

}  // namespace

extern "C" {

// Number of floats that drawing needs as `memory`.
int64_t EXPORT(samfleet_drawing_memory_)(const SamfleetDrawingSizes *sizes) {
    int64_t used;
    Scratch(Arena{nullptr, 0}, *sizes, &used);
    return used + LINE;
}

void EXPORT(samfleet_drawing_)(const SamfleetDrawingSizes *sizes, const SamfleetDrawing *at, float *memory) {
    Scratch scratch(Arena{aligned(memory), 0}, *sizes);
    Draw{*sizes, *at, scratch, {}}.run();
}
}
