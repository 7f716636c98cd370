// Layers of image encoders on rows of channels: products with packed weights, depth-wise convolutions, LayerNorms.
//
// Rows that only products read are stored as their operands. Distances between rows count what the rows are stored as.
#pragma once
#include "arena.h"
#include "encoder.h"
#include "products.h"

namespace {

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// Calls work(item) for items that no other thread has taken.
template <class Work>
INLINE void each_item(int64_t *next, int64_t items, const Work &work) {
    for (int64_t item; (item = __atomic_fetch_add(next, 1, __ATOMIC_RELAXED)) < items;) work(item);
}

// Rows as operands of products: the numbers themselves, or in bfloat16 in `to`. Their count is a multiple of 16.
INLINE const float *as_operands(const float *from, int64_t, float *) { return from; }

#if defined(__AVX512BF16__)
INLINE const Pair *as_operands(const float *from, int64_t count, Pair *to) {
    for (int64_t at = 0; at < count; at += LANES) store(to + at / STEP, load(from + at));
    return to;
}
#endif

enum class Activation { NONE, GELU, RELU };

// What a product does with its result: adds rows that are `add_ld` floats apart, unless `add` is null, then activates.
struct Ending {
    Activation activation;
    const float *add;
    int64_t add_ld;
};

constexpr Ending PLAIN{Activation::NONE, nullptr, 0}, GELU{Activation::GELU, nullptr, 0};

// C registers of columns of rows · weights. A row's inner operands are `depth` from each of `parts`: several arrays for
// a convolution over neighbouring lines.
template <int C, class Number, class Out>
struct Columns {
    static constexpr bool ROUNDS = numbers_of<Out>() > 1;
    const Number *const *parts;
    int64_t count, depth, ld;
    const Number *weights;
    const float *bias;
    Out *out;
    int64_t out_ld;
    Ending ending;

    template <int R>
    void run(int64_t first) const {
        Sums<R, C> sums;
        sums.read(bias, 0);
        if (ending.add) sums.add_matrix(ending.add + first * ending.add_ld, ending.add_ld);
        for (int64_t part = 0; part < count; part++)
            sums.add_strided(parts[part] + first * ld, 1, ld, weights + part * depth * C * LANES, C * LANES, depth);
        alignas(64) float unrounded[ROUNDS ? R * C * LANES : 1];
        Out *to = out + first * out_ld;
        float *from = ROUNDS ? unrounded : (float *)to;
        int64_t from_ld = ROUNDS ? C * LANES : out_ld;
        sums.write(from, from_ld);
        if (ending.activation == Activation::GELU) finish<R>(from, from_ld, to, [](Vector x) { return gelu(x); });
        else if (ending.activation == Activation::RELU)
            finish<R>(from, from_ld, to, [](Vector x) { return x < 0.f ? Vector{} : x; });
        else if (ROUNDS) finish<R>(from, from_ld, to, [](Vector x) { return x; });
    }

    template <int R, class Function>
    INLINE void finish(const float *from, int64_t from_ld, Out *to, Function function) const {
        for (int row = 0; row < R; row++)
            for (int column = 0; column < C * LANES; column += LANES)
                store(to + row * out_ld + column / numbers_of<Out>(), function(load(from + row * from_ld + column)));
    }
};

template <int C, class Number, class Out>
INLINE void columns(const Number *const *parts, int64_t count, int64_t ld, int64_t rows, const SamfleetLayer &layer,
                    int64_t first, Out *out, int64_t out_ld, Ending ending) {
    int64_t inner = layer.inner / numbers_of<Number>();
    const Number *weights = (const Number *)layer.weights + first * inner;
    if (ending.add) ending.add += first;
    each_panel(rows, Columns<C, Number, Out>{parts, count, inner / count, ld, weights, layer.bias + first,
                                             out + first / numbers_of<Out>(), out_ld, ending});
}

// out [rows, outer] = rows [rows, inner] · weights + bias, then the ending. Rows are `ld` and `out_ld` apart.
template <class Number, class Out>
__attribute__((noinline)) void convolve(const Number *const *parts, int64_t count, int64_t ld, int64_t rows,
                                        const SamfleetLayer &layer, Out *out, int64_t out_ld, Ending ending) {
    for (int64_t first = 0; first < layer.outer; first += CHUNK) {
        switch (least((layer.outer - first) / LANES, COLUMNS)) {
            case 1: columns<1>(parts, count, ld, rows, layer, first, out, out_ld, ending); break;
            case 2: columns<2>(parts, count, ld, rows, layer, first, out, out_ld, ending); break;
            case 3: columns<COLUMNS == 4 ? 3 : COLUMNS>(parts, count, ld, rows, layer, first, out, out_ld, ending); break;
            default: columns<COLUMNS>(parts, count, ld, rows, layer, first, out, out_ld, ending); break;
        }
    }
}

template <class Number, class Out>
INLINE void multiply(const Number *x, int64_t ld, int64_t rows, const SamfleetLayer &layer, Out *out, int64_t out_ld,
                     Ending ending) {
    convolve(&x, 1, ld, rows, layer, out, out_ld, ending);
}

// Write a row with mean 0 and variance 1 over its channels, a multiple of 16.
template <class Out>
INLINE void normalise(const float *x, int64_t channels, float epsilon, Out *out) {
    Vector sum = Vector{}, squares = Vector{};
    for (int64_t at = 0; at < channels; at += LANES) sum += load(x + at);
    Vector mean = broadcast(sum_of(sum) / channels);
    for (int64_t at = 0; at < channels; at += LANES) {
        Vector difference = load(x + at) - mean;
        squares += difference * difference;
    }
    Vector scale = broadcast(1.f / sqrtf(sum_of(squares) / channels + epsilon));
    for (int64_t at = 0; at < channels; at += LANES)
        store(out + at / numbers_of<Out>(), (load(x + at) - mean) * scale);
}

// A line of pixels that are `step` floats apart. A line of zeros is one pixel with step 0.
struct Line {
    const float *at;
    int64_t step;
};

// A depth-wise convolution of three lines that hold the pixels from `from` to `to` of `channels` each; all others are 0.
struct Mixing {
    const SamfleetDepthwise &layer;
    Line lines[3];
    int64_t from, to, channels;
    bool activated;      // by GELU

    // Write the output pixels from `first` to `end`.
    template <int STRIDE, class Out>
    void run(int64_t first, int64_t end, Out *out) const {
        constexpr int MANY = 4;
        for (int64_t x = first; x < end;) {
            Out *to_pixel = out + (x - first) * channels / numbers_of<Out>();
            int64_t left = x * STRIDE - 1;
            if (x + MANY <= end && left >= from && left + (MANY - 1) * STRIDE + 3 <= to) {
                inside<MANY, STRIDE>(left, to_pixel);
                x += MANY;
            } else {
                edge(left, to_pixel);
                x++;
            }
        }
    }

    // P output pixels, none of which has a tap outside; `left` is the first pixel of the first one's taps.
    template <int P, int STRIDE, class Out>
    void inside(int64_t left, Out *out) const {
        const float *at[3];
        for (int y = 0; y < 3; y++) at[y] = lines[y].at + (left - from) * lines[y].step;
        for (int64_t channel = 0; channel < channels; channel += LANES) {
            Vector sums[P];
            for (auto &sum : sums) sum = load(layer.bias + channel);
#pragma GCC unroll 3
            for (int y = 0; y < 3; y++)
#pragma GCC unroll 3
                for (int x = 0; x < 3; x++) {
                    Vector weight = load(layer.weights + (3 * y + x) * channels + channel);
#pragma GCC unroll 4
                    for (int p = 0; p < P; p++)
                        sums[p] += weight * load(at[y] + (p * STRIDE + x) * lines[y].step + channel);
                }
            for (int p = 0; p < P; p++) finish(sums[p], out + (p * channels + channel) / numbers_of<Out>());
        }
    }

    template <class Out>
    void edge(int64_t left, Out *out) const {
        for (int64_t channel = 0; channel < channels; channel += LANES) {
            Vector sum = load(layer.bias + channel);
            for (int y = 0; y < 3; y++)
                for (int64_t x = most(left, from); x < least(left + 3, to); x++)
                    sum += load(layer.weights + (3 * y + x - left) * channels + channel) *
                           load(lines[y].at + (x - from) * lines[y].step + channel);
            finish(sum, out + channel / numbers_of<Out>());
        }
    }

    template <class Out>
    INLINE void finish(Vector sum, Out *out) const {
        store(out, activated ? gelu(sum) : sum);
    }
};

}  // namespace
