// Inverted residual blocks in strips of an image, compiled once per instruction set.
//
// A strip goes down the image. It keeps the three widened lines that the depth-wise convolution needs, in the second
// cache. Only the narrow input and output are read and written in memory.
#include "interface.h"
#include "layers.h"

namespace {

constexpr int64_t STRIP_NUMBERS = 20480;  // most numbers of a strip's widened line

struct Shape {
    int64_t hidden, height, width, strips, columns;  // height and width of the output, most columns of a strip
    int64_t bands, items;

    explicit Shape(const SamfleetInvertedResidual &at) {
        hidden = at.widen.outer;
        height = (at.height + at.stride - 1) / at.stride;
        width = (at.width + at.stride - 1) / at.stride;
        int64_t limit = most(1, STRIP_NUMBERS / hidden / at.stride);
        strips = (width + limit - 1) / limit;
        columns = (width + strips - 1) / strips;
        bands = at.bands;
        items = at.images * bands * strips;
    }
};

// `Number` is what products take.
template <class Number>
struct Scratch {
    float *ring, *zeros;
    Number *pixels, *mixed;  // the pixels of a line, unless they are numbers already
    int64_t slot;            // numbers of a widened line

    Scratch(Arena arena, const Shape &shape, const SamfleetInvertedResidual &at, int64_t *used = nullptr) {
        int64_t columns = shape.columns * at.stride + 2;
        slot = columns * shape.hidden;
        ring = arena.take(3 * slot);
        constexpr int64_t EACH = numbers_of<Number>();
        pixels = EACH == 1 ? nullptr : arena.take<Number>(columns * at.widen.inner / EACH);
        mixed = arena.take<Number>(shape.columns * shape.hidden / EACH);
        zeros = arena.take(shape.hidden);
        if (used) *used = arena.used;
    }
};

template <class Number>
struct Strip {
    const SamfleetInvertedResidual &at;
    const Shape &shape;
    const Scratch<Number> &scratch;
    const float *x;           // the image
    float *out;
    int64_t first, end;       // columns of the output
    int64_t from, to;         // columns of the input

    float *slot(int64_t line) const { return scratch.ring + line % 3 * scratch.slot; }

    void widen(int64_t line) const {
        if (line < 0 || line >= at.height) return;
        int64_t inner = at.widen.inner, count = to - from;
        const Number *pixels = as_operands(x + (line * at.width + from) * inner, count * inner, scratch.pixels);
        multiply(pixels, inner / numbers_of<Number>(), count, at.widen, slot(line), shape.hidden, GELU);
    }

    Line widened(int64_t line) const {
        if (line < 0 || line >= at.height) return {scratch.zeros, 0};
        return {slot(line), shape.hidden};
    }

    void narrow(int64_t line) const {
        int64_t top = line * at.stride - 1;
        Mixing mixing{at.mix, {widened(top), widened(top + 1), widened(top + 2)}, from, to, shape.hidden, true};
        if (at.stride == 1) mixing.template run<1>(first, end, scratch.mixed);
        else mixing.template run<2>(first, end, scratch.mixed);
        int64_t place = line * shape.width + first, ld = shape.hidden / numbers_of<Number>();
        const float *add = at.residual ? x + place * at.widen.inner : nullptr;
        multiply(scratch.mixed, ld, end - first, at.narrow, out + place * at.narrow.outer, at.narrow.outer,
                 Ending{at.residual ? Activation::GELU : Activation::NONE, add, at.widen.inner});
    }

    void run(int64_t begin, int64_t stop) const {
        int64_t next = begin * at.stride - 1;
        for (int64_t line = begin; line < stop; line++) {
            for (; next < line * at.stride + 2; next++) widen(next);
            narrow(line);
        }
    }
};

template <class Number>
int64_t memory_of(const SamfleetInvertedResidual &at) {
    int64_t used;
    Scratch<Number>(Arena{nullptr, 0}, Shape(at), at, &used);
    return used + LINE;
}

template <class Number>
void compute(const SamfleetInvertedResidual &at, float *memory) {
    Shape shape(at);
    Scratch<Number> scratch(Arena{aligned(memory), 0}, shape, at);
    memset(scratch.zeros, 0, sizeof(float) * shape.hidden);
    each_item(at.next, shape.items, [&](int64_t item) {
        int64_t strip = item % shape.strips, band = item / shape.strips % shape.bands;
        int64_t image = item / shape.strips / shape.bands;
        int64_t first = shape.width * strip / shape.strips, end = shape.width * (strip + 1) / shape.strips;
        Strip<Number> work{at, shape, scratch, at.x + image * at.height * at.width * at.widen.inner,
                           at.out + image * shape.height * shape.width * at.narrow.outer, first, end,
                           most(0, first * at.stride - 1), least(at.width, (end - 1) * at.stride + 2)};
        work.run(shape.height * band / shape.bands, shape.height * (band + 1) / shape.bands);
    });
}

}  // namespace

extern "C" {

// Columns of a panel of packed weights.
int64_t EXPORT(samfleet_panel_columns_)(void) { return CHUNK; }

// Number of floats that a thread needs as `memory`.
int64_t EXPORT(samfleet_inverted_residual_memory_)(const SamfleetInvertedResidual *at) {
    return at->residual ? memory_of<Operand>(*at) : memory_of<float>(*at);
}

void EXPORT(samfleet_inverted_residual_)(const SamfleetInvertedResidual *at, float *memory) {
    if (at->residual) compute<Operand>(*at, memory);
    else compute<float>(*at, memory);
}
}
