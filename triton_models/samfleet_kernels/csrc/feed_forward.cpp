// A depth-wise convolution and the feed-forward block behind it, some pixels of a line at a time, compiled once per
// instruction set. Only the input and the output are in memory.
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
    float *mixed, *normal, *hidden, *zeros;

    Scratch(Arena arena, const Shape &shape, int64_t *used = nullptr) {
        mixed = arena.take(shape.columns * shape.channels);
        normal = arena.take(shape.columns * shape.channels);
        hidden = arena.take(shape.columns * shape.hidden);
        zeros = arena.take(shape.channels);
        if (used) *used = arena.used;
    }
};

// The pixels from `first` to `end` of a line of the image `x`.
INLINE void feed_forward(const SamfleetFeedForward &at, const Shape &shape, const Scratch &scratch, const float *x,
                         int64_t line, int64_t first, int64_t end, float *out) {
    int64_t channels = shape.channels, columns = end - first;
    auto neighbour = [&](int64_t y) {
        return y < 0 || y >= at.height ? Line{scratch.zeros, 0} : Line{x + y * at.width * channels, channels};
    };
    Mixing mixing{at.mix, {neighbour(line - 1), neighbour(line), neighbour(line + 1)}, 0, at.width, channels, false};
    mixing.run<1>(first, end, scratch.mixed);
    for (int64_t row = 0; row < columns; row++)
        normalise(scratch.mixed + row * channels, channels, at.epsilon, scratch.normal + row * channels);
    multiply(scratch.normal, channels, columns, at.widen, scratch.hidden, shape.hidden, GELU);
    multiply(scratch.hidden, shape.hidden, columns, at.narrow, out + (line * at.width + first) * channels, channels,
             Ending{false, scratch.mixed, channels});
}

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
        feed_forward(*at, shape, scratch, at->x + image, line, at->width * strip / shape.strips,
                     at->width * (strip + 1) / shape.strips, at->out + image);
    });
}
}
