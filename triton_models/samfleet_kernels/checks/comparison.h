// Arrays of random numbers, and the comparison of results of different instruction sets.
#pragma once
#include "interface.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vector>

using Array = std::vector<float>;

static uint32_t state;

static float random_number() {  // uniform from -1 to 1
    state = state * 1664525u + 1013904223u;
    return (float)(int32_t)state / 2147483648.f;
}

static Array random_array(int64_t size, float strength) {
    Array made(size);
    for (auto &number : made) number = strength * random_number();
    return made;
}

// With `--write FILE` a program writes the results of its first instruction set; with `--against FILE` it compares with
// those that a run on another processor wrote, instead of with its own.
static FILE *written, *reference;

// Open the file that the arguments name; false if they are others, or it cannot be opened.
static bool open_results(int count, char **arguments) {
    if (count == 1) return true;
    if (count == 3 && !strcmp(arguments[1], "--write")) written = fopen(arguments[2], "wb");
    if (count == 3 && !strcmp(arguments[1], "--against")) reference = fopen(arguments[2], "rb");
    if (!written && !reference) printf("use --write FILE or --against FILE, with a file that can be opened\n");
    return written || reference;
}

// Return what all instruction sets are compared with, given the result of the first one.
static Array expected_result(const Array &first) {
    uint64_t size = first.size(), stored = 0;
    bool whole = true;
    if (written)
        whole = fwrite(&size, sizeof size, 1, written) == 1 && fwrite(first.data(), sizeof(float), size, written) == size;
    Array expected = first;
    if (reference)
        whole = fread(&stored, sizeof stored, 1, reference) == 1 && stored == size &&
                fread(expected.data(), sizeof(float), size, reference) == size;
    if (whole) return expected;
    printf("the file of results cannot be written, or is of other checks\n");
    exit(2);
}

// Operands in bfloat16 have 8 bits, so results may differ by more.
static int compare(const char *set, const char *what, const Array &found, const Array &expected, bool bfloat16) {
    float worst = 0, largest = 0;
    for (size_t i = 0; i < found.size(); i++) {
        if (!isfinite(found[i])) {
            printf("%s: not finite\n", set);
            return 1;
        }
        worst = fmaxf(worst, fabsf(found[i] - expected[i]));
        largest = fmaxf(largest, fabsf(expected[i]));
    }
    printf("%s, %s: within %.1e of %.1f\n", set, what, worst, largest);
    return worst > (bfloat16 ? 0.03f : 1e-4f) * largest;
}

// Run `work` with every one of `sets` that this processor supports and compare the results with those of the first one,
// or of the file. Those of a set for which `differs` is true have another meaning and must only be finite.
template <class Sets, class Work, class Differs>
static int each_set(const Sets &sets, const char *what, const Work &work, const Differs &differs) {
    Array expected;
    int failures = 0, found = 0;
    for (const auto &set : sets) {
        if (!(samfleet_supported() & set.bit)) continue;
        Array result = work(set);
        if (expected.empty()) expected = expected_result(result);
        failures += compare(set.name, what, result, differs(set) ? result : expected, set.bit == SAMFLEET_AVX512BF16);
        found++;
    }
    return failures || !found;
}

template <class Sets, class Work>
static int each_set(const Sets &sets, const char *what, const Work &work) {
    return each_set(sets, what, work, [](const auto &) { return false; });
}

// The sets whose kernels for tokens and encoders are compared, for macros that declare or list a set, and those of
// encoders only.
#if defined(__aarch64__)
#define DECLARE_SETS(declare) declare(neon)
#define LIST_SETS(list) list(neon, SAMFLEET_NEON)
#define DECLARE_ENCODER_SETS(declare) DECLARE_SETS(declare)
#define LIST_ENCODER_SETS(list) LIST_SETS(list)
#else
#define DECLARE_SETS(declare) declare(avx512) declare(avx2) declare(baseline)
#define LIST_SETS(list) list(baseline, SAMFLEET_BASELINE), list(avx2, SAMFLEET_AVX2), list(avx512, SAMFLEET_AVX512)
#define DECLARE_ENCODER_SETS(declare) DECLARE_SETS(declare) declare(avx512bf16)
#define LIST_ENCODER_SETS(list) LIST_SETS(list), list(avx512bf16, SAMFLEET_AVX512BF16)
#endif

// Round to the nearest bfloat16, of two the even one.
static uint32_t rounded(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

// Linear layers packed for a set, one behind the other, each from `inner` to `outer`: as pairs in bfloat16 where the
// encoders' kernels take those, but for `exact` ones.
struct Packed {
    Array weights, bias;
    std::vector<uint32_t> pairs;
    int64_t inner, outer;

    template <class Set>
    Packed(const Set &set, int64_t inner, int64_t outer, int64_t layers = 1, bool exact = false)
        : bias(random_array(layers * outer, 1)), inner(inner), outer(outer) {
        int64_t panel = set.panel_columns();
        for (int64_t layer = 0; layer < layers; layer++) {
            Array plain = random_array(outer * inner, 1 / sqrtf((float)inner));  // [outer, inner]
            bool paired = set.bit == SAMFLEET_AVX512BF16 && inner % 16 == 0 && !exact;
            for (int64_t first = 0; first < outer; first += panel)
                for (int64_t k = 0; k < inner; k += 1 + paired)
                    for (int64_t column = first; column < first + panel && column < outer; column++) {
                        const float *own = &plain[column * inner + k];
                        if (paired) pairs.push_back(rounded(own[0]) | rounded(own[1]) << 16);
                        else weights.push_back(own[0]);
                    }
        }
    }

    SamfleetLayer layer() const {
        const void *packed = pairs.empty() ? (const void *)weights.data() : pairs.data();
        return {packed, bias.data(), inner, outer};
    }
};
