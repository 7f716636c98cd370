// Two convolutions, line by line, compiled once per instruction set. The three lines between them that the second one
// needs stay in the second cache.
#include "interface.h"
#include "layers.h"

namespace {

INLINE int64_t strided(int64_t length, int64_t stride) { return (length + stride - 1) / stride; }

// Lines of a convolution's input with a pixel of zeros on both sides, three of them at a time.
struct Ring {
    float *lines;
    int64_t width, channels;

    int64_t slot() const { return (width + 2) * channels; }
    float *line(int64_t y) const { return lines + (y + 3) % 3 * slot(); }  // y is at least -1
    void clear(int64_t y) const { memset(line(y), 0, sizeof(float) * slot()); }
};

struct Shape {
    int64_t channels;       // of the input
    int64_t between_height, between_width, height, width;

    explicit Shape(const SamfleetConvolutionPair &at) {
        channels = at.first.layer.inner / (at.first.side * at.first.side);
        between_height = strided(at.height, at.first.stride);
        between_width = strided(at.width, at.first.stride);
        height = strided(between_height, at.second.stride);
        width = strided(between_width, at.second.stride);
    }
};

struct Scratch {
    Ring input, between;  // the input's lines are copied for a convolution of 3x3

    Scratch(Arena arena, const SamfleetConvolutionPair &at, const Shape &shape, int64_t *used = nullptr) {
        input = {nullptr, at.width, shape.channels};
        between = {nullptr, shape.between_width, at.first.layer.outer};
        if (at.first.side == 3) input.lines = arena.take(3 * input.slot());
        between.lines = arena.take(3 * between.slot());
        if (used) *used = arena.used;
    }
};

// Write `columns` pixels of a line; `parts` are the lines of the input from the first tap on.
INLINE void convolve_line(const SamfleetConvolution &at, const float *const *parts, int64_t channels, int64_t columns,
                          float *out) {
    int64_t outer = at.layer.outer;
    convolve(parts, at.side, at.stride * channels, columns, at.layer, out, outer, at.gelu ? GELU : PLAIN);
    if (!at.gain) return;
    for (float *row = out; row < out + columns * outer; row += outer) {
        normalise(row, outer, at.epsilon, row);
        for (int64_t channel = 0; channel < outer; channel += LANES)
            store(row + channel, load(row + channel) * load(at.gain + channel) + load(at.shift + channel));
    }
}

struct Band {
    const SamfleetConvolutionPair &at;
    const Shape &shape;
    const Scratch &scratch;
    const float *x;
    float *out;

    // Copy a line of the input, zeros for one outside.
    void read(int64_t y) const {
        int64_t channels = shape.channels;
        scratch.input.clear(y);
        if (y < 0 || y >= at.height) return;
        float *to = scratch.input.line(y) + channels;
        if (!at.planar) {
            memcpy(to, x + y * at.width * channels, sizeof(float) * at.width * channels);
            return;
        }
        for (int64_t channel = 0; channel < channels; channel++) {
            const float *from = x + (channel * at.height + y) * at.width;
            for (int64_t column = 0; column < at.width; column++) to[column * channels + channel] = from[column];
        }
    }

    // Compute a line between the convolutions, zeros for one outside; `next` is the first line that was not read.
    void first(int64_t y, int64_t &next) const {
        const Ring &ring = scratch.between;
        ring.clear(y);
        if (y < 0 || y >= shape.between_height) return;
        float *to = ring.line(y) + ring.channels;
        if (at.first.side == 1) {
            const float *line = x + y * at.width * shape.channels;
            convolve_line(at.first, &line, shape.channels, ring.width, to);
            return;
        }
        int64_t top = y * at.first.stride - 1;
        for (next = most(next, top); next < top + 3; next++) read(next);
        const Ring &input = scratch.input;
        const float *parts[] = {input.line(top), input.line(top + 1), input.line(top + 2)};
        convolve_line(at.first, parts, shape.channels, ring.width, to);
    }

    void run(int64_t begin, int64_t end) const {
        int64_t next_input = -1, next = begin * at.second.stride - 1;
        const Ring &ring = scratch.between;
        for (int64_t y = begin; y < end; y++) {
            int64_t top = y * at.second.stride - 1;
            for (; next < top + 3; next++) first(next, next_input);
            const float *parts[] = {ring.line(top), ring.line(top + 1), ring.line(top + 2)};
            convolve_line(at.second, parts, ring.channels, shape.width, out + y * shape.width * at.second.layer.outer);
        }
    }
};

}  // namespace

extern "C" {

// Number of floats that a thread needs as `memory`.
int64_t EXPORT(samfleet_convolution_pair_memory_)(const SamfleetConvolutionPair *at) {
    int64_t used;
    Scratch(Arena{nullptr, 0}, *at, Shape(*at), &used);
    return used + LINE;
}

void EXPORT(samfleet_convolution_pair_)(const SamfleetConvolutionPair *at, float *memory) {
    Shape shape(*at);
    Scratch scratch(Arena{aligned(memory), 0}, *at, shape);
    each_item(at->next, at->images * at->bands, [&](int64_t item) {
        int64_t image = item / at->bands, band = item % at->bands;
        Band work{*at, shape, scratch, at->x + image * at->height * at->width * shape.channels,
                  at->out + image * shape.height * shape.width * at->second.layer.outer};
        work.run(shape.height * band / at->bands, shape.height * (band + 1) / at->bands);
    });
}
}
