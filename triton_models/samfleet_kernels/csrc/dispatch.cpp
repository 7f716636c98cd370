// What this processor supports. Compiled without any particular instruction set.
#include "interface.h"

#if !defined(__aarch64__)
#include <cpuid.h>

// State that the system saves for each thread (XCR0): SSE and AVX registers; in addition the three parts of AVX-512.
static const uint32_t AVX_STATE = 0x06, AVX512_STATE = 0xE6;

static uint32_t saved_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}
#endif

extern "C" {

// Asks the processor itself: with zig's runtime, `__builtin_cpu_supports` denies every extension.
uint32_t samfleet_supported(void) {
#if defined(__aarch64__)
    return SAMFLEET_NEON;
#else
    uint32_t a, b, c, d, found = SAMFLEET_BASELINE;
    const uint32_t fma = 1u << 12, osxsave = 1u << 27, avx2 = 1u << 5, avx512f = 1u << 16, avx512dq = 1u << 17;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & fma) || !(c & osxsave)) return found;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
    uint32_t state = saved_state();
    if ((b & avx2) && (state & AVX_STATE) == AVX_STATE) found |= SAMFLEET_AVX2;
    else return found;
    if (!(b & avx512f) || !(b & avx512dq) || (state & AVX512_STATE) != AVX512_STATE) return found;
    found |= SAMFLEET_AVX512;
    const uint32_t avx512bw = 1u << 30, avx512vl = 1u << 31, avx512bf16 = 1u << 5;
    if (!(b & avx512bw) || !(b & avx512vl) || !__get_cpuid_count(7, 1, &a, &b, &c, &d)) return found;
    if (a & avx512bf16) found |= SAMFLEET_AVX512BF16;
    return found;
#endif
}

void samfleet_struct_bytes(int64_t *bytes) {
    bytes[0] = sizeof(SamfleetFirst);
    bytes[1] = sizeof(SamfleetSecond);
    bytes[2] = sizeof(SamfleetThird);
    bytes[3] = sizeof(SamfleetDrawing);
    bytes[4] = sizeof(SamfleetMask);
    bytes[5] = sizeof(SamfleetRefining);
    bytes[6] = sizeof(SamfleetInvertedResidual);
    bytes[7] = sizeof(SamfleetWindowAttention);
    bytes[8] = sizeof(SamfleetFeedForward);
    bytes[9] = sizeof(SamfleetConvolutionPair);
    bytes[10] = sizeof(SamfleetTokenAttention);
    bytes[11] = sizeof(SamfleetProjections);
    bytes[12] = sizeof(SamfleetTokenUpdate);
    bytes[13] = sizeof(SamfleetRowProducts);
    bytes[14] = sizeof(SamfleetRowSquares);
    bytes[15] = sizeof(SamfleetGatheredRows);
}
}
