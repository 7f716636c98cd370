// Arrays of random numbers, and the comparison of results of different instruction sets.
#pragma once
#include "interface.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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

// Run `work` with every one of `sets` that this processor supports and compare the results. Those of a set for which
// `differs` is true have another meaning and must only be finite.
template <class Sets, class Work, class Differs>
static int each_set(const Sets &sets, const char *what, const Work &work, const Differs &differs) {
    Array expected;
    int failures = 0, found = 0;
    for (const auto &set : sets) {
        if (!(samfleet_supported() & set.bit)) continue;
        Array result = work(set);
        if (expected.empty()) expected = result;
        failures += compare(set.name, what, result, differs(set) ? result : expected, set.bit == SAMFLEET_AVX512BF16);
        found++;
    }
    return failures || !found;
}

template <class Sets, class Work>
static int each_set(const Sets &sets, const char *what, const Work &work) {
    return each_set(sets, what, work, [](const auto &) { return false; });
}
