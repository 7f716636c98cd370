// The up-scaling of a prompt's image tokens and its masks' products with it, tile by tile, compiled once per
// instruction set.
//
// Channels are rows and image tokens are columns throughout, so that a LayerNorm over channels and a GELU work on whole
// vectors. Of each of the 16 pixels of an image token only the logits leave the caches.
#include "arena.h"
#include "interface.h"
#include "products.h"
#include "transpose.h"

namespace {

constexpr int64_t SUBPIXELS = 4, HIDDEN = 64, FEATURES = 32, PIXELS = SUBPIXELS * SUBPIXELS;

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

// out [rows, 64] = packed · operand + bias + terms; rows is 32 features or the masks.
struct Layer {
    const float *packed, *operand;  // packed [rows, depth], [depth, 64]
    int64_t depth;
    const float *bias, *terms;      // [rows] or null, [rows, 64] or null
    float *out;

    template <int R>
    void run(int64_t first) const {
        for (int64_t column = 0; column < TILE; column += CHUNK) {
            int64_t at = first * TILE + column;
            Sums<R, COLUMNS> sums;
            sums.clear();
            if (bias) sums.add_to_rows(bias + first);
            if (terms) sums.add_matrix(terms + at, TILE);
            sums.add(packed + first * depth, operand + column, TILE, depth);
            sums.write(out + at, TILE);
        }
    }
};

struct Scratch {
    float *projected, *second, *kernels, *hidden, *features, *logits, *drawn;

    Scratch(Arena arena, int64_t rows, int64_t masks, int64_t *used = nullptr) {
        projected = arena.take(SUBPIXELS * HIDDEN * rows);
        second = arena.take(SUBPIXELS * FEATURES * HIDDEN);
        kernels = arena.take(masks * FEATURES);
        hidden = arena.take(HIDDEN * TILE);
        features = arena.take(FEATURES * TILE);
        logits = arena.take(masks * TILE);
        drawn = arena.take(masks * PIXELS * TILE);
        if (used) *used = arena.used;
    }
};

struct Draw {
    const SamfleetDrawingSizes &sizes;
    const SamfleetDrawing &at;
    const Scratch &scratch;

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

    void tile(int64_t start) const {
        alignas(64) float scale[TILE];
        int64_t valid = sizes.pixels - start < TILE ? sizes.pixels - start : TILE;
        read_row(at.scale + start, valid, scale);
        const float *factors = at.image + start * sizes.rows;
        for (int64_t sub = 0; sub < SUBPIXELS; sub++) {
            first_convolution(start / TILE * SUBPIXELS + sub, sub, factors, scale);
            for (int64_t inner = 0; inner < SUBPIXELS; inner++) second_convolution(start / TILE, sub, inner);
        }
        for (int64_t mask = 0; mask < sizes.masks; mask++) write(mask, start, valid);
    }

    // Fill `hidden` with the normalised and activated channels of a sub-pixel; `part` counts those of all tiles.
    void first_convolution(int64_t part, int64_t sub, const float *factors, const float *scale) const {
        alignas(64) float squares[TILE] = {};
        int64_t block = part * HIDDEN * TILE;
        each_panel(HIDDEN, FirstConvolution{at.base + block, scale, at.bias ? at.bias + sub * HIDDEN : nullptr,
                                            at.constants ? at.constants + block : nullptr,
                                            scratch.projected + sub * HIDDEN * sizes.rows, factors, sizes.rows,
                                            scratch.hidden, squares});
        for (int64_t column = 0; column < TILE; column++)
            squares[column] = 1.f / sqrtf(squares[column] / HIDDEN + at.epsilon);
        for (int64_t channel = 0; channel < HIDDEN; channel++) {
            Vector weight = broadcast(at.norm_weight[channel]), bias = broadcast(at.norm_bias[channel]);
            float *row = scratch.hidden + channel * TILE;
            for (int64_t column = 0; column < TILE; column += LANES)
                store(row + column, gelu(load(row + column) * load(squares + column) * weight + bias));
        }
    }

    // Draw the pixel `inner` of a sub-pixel for all masks.
    void second_convolution(int64_t tile, int64_t sub, int64_t inner) const {
        int64_t terms = ((tile * SUBPIXELS + sub) * SUBPIXELS + inner) * FEATURES * TILE;
        each_panel(FEATURES, Layer{scratch.second + inner * FEATURES * HIDDEN, scratch.hidden, HIDDEN,
                                   at.second_bias + inner * FEATURES, at.terms ? at.terms + terms : nullptr,
                                   scratch.features});
        for (int64_t at = 0; at < FEATURES * TILE; at += LANES)
            store(scratch.features + at, gelu(load(scratch.features + at)));
        each_panel(sizes.masks,
                   Layer{scratch.kernels, scratch.features, FEATURES, nullptr, nullptr, scratch.logits});
        int64_t y = sub / 2 * 2 + inner / 2, x = sub % 2 * 2 + inner % 2;
        for (int64_t mask = 0; mask < sizes.masks; mask++)
            memcpy(scratch.drawn + (mask * PIXELS + 4 * y + x) * TILE, scratch.logits + mask * TILE,
                   sizeof(float) * TILE);
    }

    // Write a tile of one mask; four neighbours in x come from four rows of `drawn`.
    void write(int64_t mask, int64_t start, int64_t valid) const {
        float *image = at.out + mask * PIXELS * sizes.pixels;
        for (int64_t y = 0; y < 4; y++) {
            const float *rows = scratch.drawn + (mask * PIXELS + 4 * y) * TILE;
            for (int64_t column = 0, length; column < valid; column += length) {
                int64_t top = (start + column) / sizes.side, left = (start + column) % sizes.side;
                length = sizes.side - left < valid - column ? sizes.side - left : valid - column;
                float *to = image + ((4 * top + y) * sizes.side + left) * 4;
                interleave(rows + column, length, to);
            }
        }
    }

    static void interleave(const float *rows, int64_t length, float *to) {
        int64_t i = 0;
        for (; i + 4 <= length; i += 4) transpose_four(rows + i, TILE, to + 4 * i, 4);
        for (; i < length; i++)
            for (int64_t x = 0; x < 4; x++) to[4 * i + x] = rows[x * TILE + i];
    }
};

}  // namespace

extern "C" {

// Number of floats that drawing `masks` of a prompt with `rows` factors needs as `memory`.
int64_t EXPORT(samfleet_drawing_memory_)(int64_t rows, int64_t masks) {
    int64_t used;
    Scratch(Arena{nullptr, 0}, rows, masks, &used);
    return used + LINE;
}

void EXPORT(samfleet_drawing_)(const SamfleetDrawingSizes *sizes, const SamfleetDrawing *at, float *memory) {
    Scratch scratch(Arena{aligned(memory), 0}, sizes->rows, sizes->masks);
    Draw draw{*sizes, *at, scratch};
    draw.pack();
    for (int64_t start = 0; start < sizes->pixels; start += TILE) draw.tile(start);
}
}
