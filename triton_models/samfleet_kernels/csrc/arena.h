// The caller's memory, handed out in parts, and the names of exported functions.
#pragma once
#include <stdint.h>

#include "vectors.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define EXPORT(name) JOIN(name, INSTRUCTIONS)

namespace {

constexpr int64_t LINE = 16;  // floats of a cache line

// Without memory it only counts.
struct Arena {
    float *base;
    int64_t used;

    // Room for numbers of 32 bits.
    template <class Number = float>
    Number *take(int64_t count) {
        static_assert(sizeof(Number) == sizeof(float), "the arena counts in floats");
        float *start = base ? base + used : nullptr;
        used += (count + LINE - 1) / LINE * LINE;
        return (Number *)start;
    }
};

INLINE float *aligned(float *memory) {
    uintptr_t address = (uintptr_t)memory, line = LINE * sizeof(float);
    return (float *)((address + line - 1) / line * line);
}

}  // namespace
