// The up-scaling of a prompt's image tokens and its masks' products with it, tile by tile, compiled once per
// instruction set.
//
// Channels are rows and image tokens are columns throughout, so that a LayerNorm over channels and a GELU work on whole
// vectors. Of each of the 16 pixels of an image token only the logits leave the caches.
#include "arena.h"
#include "interface.h"
#include "upscaling.h"
#include "moments.h"
#include "refining.h"
#include "transpose.h"

namespace {

// Packs columns of `matrix` [depth, ld] as panels [depth, R] one after the other.
struct ColumnPacking {
    const float *matrix;
    int64_t ld, depth;
    float *packed;

    template <int R>
    void run(int64_t first) const {
        float *panel = packed + first * depth;
        for (int64_t k = 0; k < depth; k++)
            for (int row = 0; row < R; row++) *panel++ = matrix[k * ld + first + row];
    }
};

// hidden [64, 64] = base * scale + bias + constants + packed · factors, and the sums of its squares over the channels.
struct FirstConvolution {
    const float *base, *scale;       // table of the tile and sub-pixel, [64]
    const float *bias, *constants;   // [64] or null, table or null
    const float *packed, *factors;   // packed [64, depth], [depth, 64]
    int64_t depth;
    float *hidden, *squares;

    template <int R>
    void run(int64_t first) const {
        for (int64_t column = 0; column < TILE; column += CHUNK) {
            int64_t at = first * TILE + column;
            Sums<R, COLUMNS> sums;
            sums.read(base + at, TILE);
            sums.scale(scale + column);
            if (bias) sums.add_to_rows(bias + first);
            if (constants) sums.add_matrix(constants + at, TILE);
            sums.add(packed + first * depth, factors + column, TILE, depth);
            sums.write(hidden + at, TILE);
            sums.dot_self(squares + column);
        }
    }
};

struct Scratch {
    float *projected, *second, *kernels, *hidden, *features, *logits, *own, *drawn;
    Refining refining;

    Scratch(Arena arena, const SamfleetDrawingSizes &sizes, int64_t *used = nullptr)
        : refining(arena, sizes.refined ? sizes.side : 0) {
        int64_t blocks = sizes.together ? (sizes.pixels + TILE - 1) / TILE * SUBPIXELS : 1;
        projected = arena.take(SUBPIXELS * HIDDEN * sizes.rows);
        second = arena.take(SUBPIXELS * FEATURES * HIDDEN);
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
        for (int64_t sub = 0; sub < SUBPIXELS; sub++) {
            int64_t rows = sizes.rows;
            each_panel(HIDDEN, ColumnPacking{at.projected + sub * HIDDEN, SUBPIXELS * HIDDEN, rows,
                                             scratch.projected + sub * HIDDEN * rows});
            int64_t part = sub * FEATURES * HIDDEN;
            each_panel(FEATURES, Packing{at.second + part, HIDDEN, 0, HIDDEN, scratch.second + part});
        }
        each_panel(sizes.masks, Packing{at.kernels, FEATURES, 0, FEATURES, scratch.kernels});
    }

    void run() {
        pack();
        if (sizes.refined) scratch.refining.begin(at.refining);
        if (sizes.together)
            for (int64_t part = 0; part * TILE < SUBPIXELS * whole_tiles(); part++) {
                alignas(64) float squares[TILE] = {};
                first_convolution(part, hidden_of(part), squares);
                moments.add(hidden_of(part), valid_from(part / SUBPIXELS * TILE));
            }
        for (int64_t start = 0; start < sizes.pixels; start += TILE) {
            tile(start);
            if (sizes.refined) scratch.refining.refine(start + valid_from(start));
        }
        if (sizes.refined) scratch.refining.add_to(at.out, sizes.masks);
    }

    int64_t whole_tiles() const { return (sizes.pixels + TILE - 1) / TILE * TILE; }

    int64_t valid_from(int64_t start) const { return sizes.pixels - start < TILE ? sizes.pixels - start : TILE; }

    // The channels of a sub-pixel; `part` counts those of all tiles. With a norm over all of them, they are kept.
    float *hidden_of(int64_t part) const { return scratch.hidden + (sizes.together ? part * HIDDEN * TILE : 0); }

    void tile(int64_t start) const {
        int64_t valid = valid_from(start);
        for (int64_t sub = 0; sub < SUBPIXELS; sub++) {
            float *hidden = hidden_of(start / TILE * SUBPIXELS + sub);
            normalised(start / TILE * SUBPIXELS + sub, hidden);
            for (int64_t inner = 0; inner < SUBPIXELS; inner++) second_convolution(start, sub, inner, hidden);
        }
        for (int64_t mask = 0; mask < sizes.masks; mask++) write(mask, start, valid);
    }

    // Fill `hidden` with the channels of a sub-pixel before the norm, and add their squares.
    void first_convolution(int64_t part, float *hidden, float *squares) const {
        alignas(64) float scale[TILE];
        int64_t start = part / SUBPIXELS * TILE, sub = part % SUBPIXELS, block = part * HIDDEN * TILE;
        read_row(at.scale + start, valid_from(start), scale);
        each_panel(HIDDEN, FirstConvolution{at.base + block, scale, at.bias ? at.bias + sub * HIDDEN : nullptr,
                                            at.constants ? at.constants + block : nullptr,
                                            scratch.projected + sub * HIDDEN * sizes.rows,
                                            at.image + start * sizes.rows, sizes.rows, hidden, squares});
    }

    // Fill `hidden` with the normalised and activated channels of a sub-pixel.
    void normalised(int64_t part, float *hidden) const {
        alignas(64) float factors[TILE] = {};
        float shift = 0;
        if (sizes.together) {
            double factor = 1 / sqrt(moments.deviations / moments.count + at.epsilon);
            shift = (float)(moments.mean * factor);
            for (float &column : factors) column = (float)factor;
        } else {
            first_convolution(part, hidden, factors);
            invert_deviations(factors, at.epsilon);
        }
        activate(hidden, factors, shift, at.norm_weight, at.norm_bias);
    }

    // Draw the pixel `inner` of a sub-pixel for all masks.
    void second_convolution(int64_t start, int64_t sub, int64_t inner, const float *hidden) const {
        int64_t terms = ((start / TILE * SUBPIXELS + sub) * SUBPIXELS + inner) * FEATURES * TILE;
        each_panel(FEATURES, Layer{scratch.second + inner * FEATURES * HIDDEN, hidden, HIDDEN,
                                   at.second_bias + inner * FEATURES, at.terms ? at.terms + terms : nullptr,
                                   scratch.features});
        for (int64_t at = 0; at < FEATURES * TILE; at += LANES)
            store(scratch.features + at, gelu(load(scratch.features + at)));
        each_panel(sizes.masks,
                   Layer{scratch.kernels, scratch.features, FEATURES, nullptr, nullptr, scratch.logits});
        int64_t y = sub / 2 * 2 + inner / 2, x = sub % 2 * 2 + inner % 2;
        if (sizes.refined) refined(start, y, x, at.refining->image + terms);
        for (int64_t mask = 0; mask < sizes.masks; mask++)
            memcpy(scratch.drawn + (mask * PIXELS + CELL * y + x) * TILE, scratch.logits + mask * TILE,
                   sizeof(float) * TILE);
    }

    // Add the refining mask's product with the image's own features [32, 64], and take the prompt's for the rest of it.
    void refined(int64_t start, int64_t y, int64_t x, const float *image) const {
        each_panel(1, Layer{scratch.refining.kernel, image, FEATURES, at.refining->constant, nullptr, scratch.own});
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
