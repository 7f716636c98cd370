// A feed-forward block with the depth-wise convolution before it, if any, some pixels of a line at a time, compiled once
// per instruction set. Only the input and the output are in memory.
#include "interface.h"
#include "layers.h"

namespace {

constexpr int64_t HIDDEN_NUMBERS = 98304;  // most numbers of the widened pixels

struct Shape {
    int64_t channels, hidden, strips, columns, items;

    explicit Shape(const SamfleetFeedForward &at) {
        channels = at.widen.inner;
        hidden = at.widen.outer;
        int64_t limit = most(1, HIDDEN_NUMBERS / hidden);
        strips = (at.width + limit - 1) / limit;
        columns = (at.width + strips - 1) / strips;
        items = at.images * at.height * strips;
    }
};

struct Scratch {
    float *mixed, *zeros;
    Operand *normal, *hidden;

    Scratch(Arena arena, const Shape &shape, int64_t *used = nullptr) {
        mixed = arena.take(shape.columns * shape.channels);
        normal = arena.take<Operand>(shape.columns * steps(shape.channels));
        hidden = arena.take<Operand>(shape.columns * steps(shape.hidden));
        zeros = arena.take(shape.channels);
        if (used) *used = arena.used;
    }
};

// Some pixels of an image.
struct Pixels {
    const SamfleetFeedForward &at;
    const Shape &shape;
    const Scratch &scratch;
    const float *x;
    int64_t line, first, end;

    Line neighbour(int64_t y) const {
        if (y < 0 || y >= at.height) return {scratch.zeros, 0};
        return {x + y * at.width * shape.channels, shape.channels};
    }

    const float *mixed() const {
        if (!at.mixed) return x + (line * at.width + first) * shape.channels;
        Mixing mixing{at.mix, {neighbour(line - 1), neighbour(line), neighbour(line + 1)}, 0, at.width,
                      shape.channels, false};
        mixing.run<1>(first, end, scratch.mixed);
        return scratch.mixed;
    }

    const Operand *normal(const float *rows) const {
        int64_t channels = shape.channels, count = end - first;
        if (!at.normed) return as_operands(rows, count * channels, scratch.normal);
        for (int64_t row = 0; row < count; row++)
            normalise(rows + row * channels, channels, at.epsilon, scratch.normal + row * steps(channels));
        return scratch.normal;
    }

    void run(float *out) const {
        int64_t channels = shape.channels, hidden = steps(shape.hidden), count = end - first;
        const float *rows = mixed();
        multiply(normal(rows), steps(channels), count, at.widen, scratch.hidden, hidden, GELU);
        multiply(scratch.hidden, hidden, count, at.narrow, out + (line * at.width + first) * channels, channels,
                 Ending{Activation::NONE, rows, channels});
    }
};

}  // namespace

extern "C" {

// Number of floats that a thread needs as `memory`.
int64_t EXPORT(samfleet_feed_forward_memory_)(const SamfleetFeedForward *at) {
    int64_t used;
    Scratch(Arena{nullptr, 0}, Shape(*at), &used);
    return used + LINE;
}

void EXPORT(samfleet_feed_forward_)(const SamfleetFeedForward *at, float *memory) {
    Shape shape(*at);
    Scratch scratch(Arena{aligned(memory), 0}, shape);
    memset(scratch.zeros, 0, sizeof(float) * shape.channels);
    each_item(at->next, shape.items, [&](int64_t item) {
        int64_t strip = item % shape.strips, line = item / shape.strips % at->height;
        int64_t image = item / shape.strips / at->height * at->height * at->width * shape.channels;
        Pixels work{*at, shape, scratch, at->x + image, line, at->width * strip / shape.strips,
                    at->width * (strip + 1) / shape.strips};
        work.run(at->out + image);
    });
}
}
