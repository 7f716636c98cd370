// Two convolutions, line by line, compiled once per instruction set. The three lines between them that the second one
// needs stay in the second cache.
#include "interface.h"
#include "layers.h"

namespace {

INLINE int64_t strided(int64_t length, int64_t stride) { return (length + stride - 1) / stride; }

// Lines of a convolution's input with a pixel of zeros on both sides, three of them at a time.
template <class Number>
struct Ring {
    Number *lines;
    int64_t width, channels;

    int64_t pixel() const { return channels / numbers_of<Number>(); }
    int64_t slot() const { return (width + 2) * pixel(); }
    Number *line(int64_t y) const { return lines + (y + 3) % 3 * slot(); }  // y is at least -1
    Number *pixels(int64_t y) const { return line(y) + pixel(); }
    void clear(int64_t y) const { memset(line(y), 0, sizeof(Number) * slot()); }
    void reserve(Arena &arena) { lines = arena.take<Number>(3 * slot()); }
};

struct Shape {
    int64_t channels;       // of the input
    bool whole;             // a multiple of 16 channels, which products take as operands
    int64_t between_height, between_width, height, width;

    explicit Shape(const SamfleetConvolutionPair &at) {
        channels = at.first.layer.inner / (at.first.side * at.first.side);
        whole = channels % LINE == 0;
        between_height = strided(at.height, at.first.stride);
        between_width = strided(at.width, at.first.stride);
        height = strided(between_height, at.second.stride);
        width = strided(between_width, at.second.stride);
    }
};

struct Scratch {
    Ring<float> image;               // a convolution of 3x3 has copies of its input's lines: without whole registers
    Ring<Operand> input;             // and with them
    Ring<Operand> between;
    Operand *row;                    // a line of the input for a convolution of 1x1, unless numbers are operands
    float *plain;                    // a line before its LayerNorm, likewise

    Scratch(Arena arena, const SamfleetConvolutionPair &at, const Shape &shape, int64_t *used = nullptr) {
        image = {nullptr, at.width, shape.channels};
        input = {nullptr, at.width, shape.channels};
        between = {nullptr, shape.between_width, at.first.layer.outer};
        if (at.first.side == 3 && shape.whole) input.reserve(arena);
        if (at.first.side == 3 && !shape.whole) image.reserve(arena);
        between.reserve(arena);
        row = nullptr;
        plain = nullptr;
        if (STEP > 1 && at.first.side == 1 && shape.whole) row = arena.take<Operand>(at.width * steps(shape.channels));
        if (STEP > 1 && at.first.gain) plain = arena.take(shape.between_width * at.first.layer.outer);
        if (used) *used = arena.used;
    }
};

// Write `columns` pixels of a line; `parts` are the lines of the input from the first tap on, `ld` from one pixel's taps
// to the next. A LayerNorm reads what is in `plain` before, or in `out` if that has numbers.
template <class Number, class Out>
INLINE void convolve_line(const SamfleetConvolution &at, const Number *const *parts, int64_t ld, int64_t columns,
                          float *plain, Out *out) {
    int64_t outer = at.layer.outer, out_ld = outer / numbers_of<Out>();
    if (!at.gain) {
        convolve(parts, at.side, ld, columns, at.layer, out, out_ld, at.gelu ? GELU : PLAIN);
        return;
    }
    float *rows = numbers_of<Out>() == 1 ? (float *)out : plain;
    convolve(parts, at.side, ld, columns, at.layer, rows, outer, at.gelu ? GELU : PLAIN);
    for (int64_t column = 0; column < columns; column++) {
        float *row = rows + column * outer;
        normalise(row, outer, at.epsilon, row);
        for (int64_t channel = 0; channel < outer; channel += LANES)
            store(out + column * out_ld + channel / numbers_of<Out>(),
                  load(row + channel) * load(at.gain + channel) + load(at.shift + channel));
    }
}

struct Band {
    const SamfleetConvolutionPair &at;
    const Shape &shape;
    const Scratch &scratch;
    const float *x;
    float *out;

    // Copy a line of whole registers of channels, zeros for one outside.
    void read(const Ring<Operand> &ring, int64_t y) const {
        ring.clear(y);
        if (y < 0 || y >= at.height) return;
        int64_t count = at.width * shape.channels;
        const float *from = x + y * count;
        Operand *to = ring.pixels(y);
        for (int64_t i = 0; i < count; i += LANES) store(to + i / STEP, load(from + i));
    }

    // Copy a line of an image, zeros for one outside.
    void read_image(const Ring<float> &ring, int64_t y) const {
        int64_t channels = shape.channels;
        ring.clear(y);
        if (y < 0 || y >= at.height) return;
        float *to = ring.pixels(y);
        if (!at.planar) {
            memcpy(to, x + y * at.width * channels, sizeof(float) * at.width * channels);
            return;
        }
        for (int64_t channel = 0; channel < channels; channel++) {
            const float *from = x + (channel * at.height + y) * at.width;
            for (int64_t column = 0; column < at.width; column++) to[column * channels + channel] = from[column];
        }
    }

    // The first convolution of three lines in `ring`.
    template <class Number>
    void convolve_ring(const Ring<Number> &ring, int64_t top, Operand *to) const {
        const Number *parts[] = {ring.line(top), ring.line(top + 1), ring.line(top + 2)};
        convolve_line(at.first, parts, at.first.stride * ring.pixel(), shape.between_width, scratch.plain, to);
    }

    // The first convolution, of 1x1, of a line.
    void convolve_pixels(int64_t y, Operand *to) const {
        int64_t count = at.width * shape.channels;
        const float *line = x + y * count;
        if (shape.whole) {
            const Operand *row = as_operands(line, count, scratch.row);
            convolve_line(at.first, &row, steps(shape.channels), at.width, scratch.plain, to);
        } else {
            convolve_line(at.first, &line, shape.channels, at.width, scratch.plain, to);
        }
    }

    // Compute a line between the convolutions, zeros for one outside; `next` is the first line that was not read.
    void first(int64_t y, int64_t &next) const {
        scratch.between.clear(y);
        if (y < 0 || y >= shape.between_height) return;
        Operand *to = scratch.between.pixels(y);
        if (at.first.side == 1) {
            convolve_pixels(y, to);
            return;
        }
        int64_t top = y * at.first.stride - 1;
        for (next = most(next, top); next < top + 3; next++)
            if (shape.whole) read(scratch.input, next);
            else read_image(scratch.image, next);
        if (shape.whole) convolve_ring(scratch.input, top, to);
        else convolve_ring(scratch.image, top, to);
    }

    void run(int64_t begin, int64_t end) const {
        int64_t next_input = -1, next = begin * at.second.stride - 1;
        const Ring<Operand> &ring = scratch.between;
        for (int64_t y = begin; y < end; y++) {
            int64_t top = y * at.second.stride - 1;
            for (; next < top + 3; next++) first(next, next_input);
            const Operand *parts[] = {ring.line(top), ring.line(top + 1), ring.line(top + 2)};
            convolve_line(at.second, parts, at.second.stride * ring.pixel(), shape.width, nullptr,
                          out + y * shape.width * at.second.layer.outer);
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
