// Runs the encoders' kernels of every instruction set on arrays of exactly the stated sizes, for the sanitizers, and
// compares the instruction sets with each other. Exit code 1 if results are not finite or differ.
#include "comparison.h"

#define DECLARE(name)                                                                       \
    int64_t samfleet_panel_columns_##name(void);                                            \
    int64_t samfleet_inverted_residual_memory_##name(const SamfleetInvertedResidual *);     \
    void samfleet_inverted_residual_##name(const SamfleetInvertedResidual *, float *);      \
    int64_t samfleet_window_attention_memory_##name(const SamfleetWindowAttention *);       \
    void samfleet_window_attention_##name(const SamfleetWindowAttention *, float *);        \
    int64_t samfleet_feed_forward_memory_##name(const SamfleetFeedForward *);               \
    void samfleet_feed_forward_##name(const SamfleetFeedForward *, float *);                \
    int64_t samfleet_convolution_pair_memory_##name(const SamfleetConvolutionPair *);       \
    void samfleet_convolution_pair_##name(const SamfleetConvolutionPair *, float *);
#define SET(name, bit)                                                                                       \
    {#name, bit, samfleet_panel_columns_##name, samfleet_inverted_residual_memory_##name,                    \
     samfleet_inverted_residual_##name, samfleet_window_attention_memory_##name,                             \
     samfleet_window_attention_##name, samfleet_feed_forward_memory_##name, samfleet_feed_forward_##name,    \
     samfleet_convolution_pair_memory_##name, samfleet_convolution_pair_##name}

extern "C" {
DECLARE_ENCODER_SETS(DECLARE)
}

struct Set {
    const char *name;
    uint32_t bit;
    int64_t (*panel_columns)(void);
    int64_t (*residual_memory)(const SamfleetInvertedResidual *);
    void (*residual)(const SamfleetInvertedResidual *, float *);
    int64_t (*attention_memory)(const SamfleetWindowAttention *);
    void (*attention)(const SamfleetWindowAttention *, float *);
    int64_t (*forward_memory)(const SamfleetFeedForward *);
    void (*forward)(const SamfleetFeedForward *, float *);
    int64_t (*pair_memory)(const SamfleetConvolutionPair *);
    void (*pair)(const SamfleetConvolutionPair *, float *);
};

static const Set SETS[] = {LIST_ENCODER_SETS(SET)};

struct Residual {
    int64_t height, width, inner, hidden, outer, stride, residual, bands;

    Array run(const Set &set) const {
        state = 1;
        const int64_t images = 2, lines = (height + stride - 1) / stride, columns = (width + stride - 1) / stride;
        Packed widen(set, inner, hidden, 1, !residual), narrow(set, hidden, outer, 1, !residual);
        Array taps = random_array(9 * hidden, 1), bias = random_array(hidden, 1);
        Array x = random_array(images * height * width * inner, 1), out(images * lines * columns * outer);
        int64_t next = 0;
        SamfleetInvertedResidual arrays{images, height, width, stride, residual, bands, widen.layer(),
                                        {taps.data(), bias.data()}, narrow.layer(), x.data(), out.data(), &next};
        Array memory(set.residual_memory(&arrays));
        set.residual(&arrays, memory.data());
        return out;
    }
};

// Windows of a line of pixels, those of the last region with a key of padding.
struct Attention {
    int64_t channels, heads, tokens, windows, last_tokens;

    Array run(const Set &set) const {
        state = 2;
        const int64_t images = 2, pixels = tokens * windows + last_tokens;
        Packed inputs(set, channels, 3 * channels), outputs(set, channels, channels);
        std::vector<int64_t> places;
        for (int64_t pixel = 0; pixel < pixels; pixel++) places.push_back(pixels - 1 - pixel);
        auto bias_of = [&](int64_t count, int64_t keys) {
            int64_t padded = (keys + 15) / 16 * 16;
            Array bias = random_array(heads * count * padded, 1);
            for (int64_t row = 0; row < heads * count; row++)
                for (int64_t key = keys; key < padded; key++) bias[row * padded + key] = -INFINITY;
            return bias;
        };
        Array bias = bias_of(tokens, tokens), last = bias_of(last_tokens, last_tokens + 1);
        Array x = random_array(images * pixels * channels, 1), out(images * pixels * channels);
        int64_t next = 0;
        SamfleetWindowAttention arrays{
            images, pixels, heads, 2, 1e-5f, inputs.layer(), inputs.bias.data(), outputs.layer(),
            {{windows, tokens, tokens, places.data(), bias.data()},
             {1, last_tokens, last_tokens + 1, places.data() + tokens * windows, last.data()}, {}, {}},
            x.data(), out.data(), &next};
        Array memory(set.attention_memory(&arrays));
        set.attention(&arrays, memory.data());
        return out;
    }
};

struct Forward {
    int64_t height, width, channels, hidden, mixed, normed;

    Array run(const Set &set) const {
        state = 3;
        const int64_t images = 2;
        Packed widen(set, channels, hidden), narrow(set, hidden, channels);
        Array taps = random_array(9 * channels, 1), bias = random_array(channels, 1);
        Array x = random_array(images * height * width * channels, 1), out(x.size());
        int64_t next = 0;
        SamfleetFeedForward arrays{images, height, width, mixed, normed, 1e-5f, {taps.data(), bias.data()},
                                   widen.layer(), narrow.layer(), x.data(), out.data(), &next};
        Array memory(set.forward_memory(&arrays));
        set.forward(&arrays, memory.data());
        return out;
    }
};

struct Pair {
    int64_t height, width, inner, between, outer, side, first_stride, stride, planar, norm, bands;

    Array run(const Set &set) const {
        state = 4;
        const int64_t images = 2, strides = first_stride * stride;
        Packed first(set, side * side * inner, between), second(set, 9 * between, outer);
        Array gain = random_array(most(between, outer), 1), shift = random_array(most(between, outer), 1);
        const float *gains = norm ? gain.data() : nullptr, *shifts = norm ? shift.data() : nullptr;
        int64_t lines = (height + strides - 1) / strides, columns = (width + strides - 1) / strides, next = 0;
        Array x = random_array(images * height * width * inner, 1), out(images * lines * columns * outer);
        SamfleetConvolutionPair arrays{images, height, width, planar, bands,
                                       {first.layer(), side, first_stride, !norm, 1e-6f, gains, shifts},
                                       {second.layer(), 3, stride, 0, 1e-6f, gains, shifts},
                                       x.data(), out.data(), &next};
        Array memory(set.pair_memory(&arrays));
        set.pair(&arrays, memory.data());
        return out;
    }

    static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
};

int main(int count, char **arguments) {
    if (!open_results(count, arguments)) return 2;
    const Residual residuals[] = {{1, 1, 16, 16, 16, 1, 1, 1}, {7, 5, 16, 48, 32, 2, 0, 2},
                                  {6, 45, 32, 1024, 32, 1, 1, 3}, {9, 12, 32, 1040, 48, 2, 0, 1}};
    const Attention attentions[] = {{16, 1, 1, 1, 1}, {64, 2, 49, 2, 14}, {96, 2, 15, 1, 17}, {128, 2, 16, 3, 7}};
    const Forward forwards[] = {{1, 1, 16, 16, 1, 1}, {3, 19, 48, 96, 1, 0}, {2, 70, 32, 1600, 0, 1}, {1, 5, 16, 32, 0, 0}};
    const Pair pairs[] = {{1, 1, 3, 16, 16, 3, 2, 2, 1, 0, 1}, {19, 26, 3, 16, 48, 3, 2, 2, 1, 0, 2},
                          {9, 7, 5, 32, 16, 3, 1, 2, 0, 1, 3}, {6, 11, 32, 80, 48, 1, 1, 1, 0, 1, 2}, {5, 6, 16, 32, 16, 3, 1, 1, 0, 1, 1}};
    int failures = 0;
    for (const auto &sizes : residuals)
        failures += each_set(SETS, "inverted residual", [&](const Set &set) { return sizes.run(set); });
    for (const auto &sizes : attentions)
        failures += each_set(SETS, "window attention", [&](const Set &set) { return sizes.run(set); });
    for (const auto &sizes : forwards)
        failures += each_set(SETS, "feed-forward", [&](const Set &set) { return sizes.run(set); });
    for (const auto &sizes : pairs)
        failures += each_set(SETS, "pair of convolutions", [&](const Set &set) { return sizes.run(set); });
    return failures > 0;
}
