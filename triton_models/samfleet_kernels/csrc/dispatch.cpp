// What this processor supports. Compiled without any particular instruction set.
#include "interface.h"

extern "C" {

uint32_t samfleet_supported(void) {
#if defined(__aarch64__)
    return SAMFLEET_NEON;
#else
    // The compiler's check includes whether the system saves the wide registers.
    __builtin_cpu_init();
    uint32_t found = SAMFLEET_BASELINE;
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2) found |= SAMFLEET_AVX2;
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) found |= SAMFLEET_AVX512;
    return found;
#endif
}

void samfleet_struct_bytes(int64_t *bytes) {
    bytes[0] = sizeof(SamfleetFirst);
    bytes[1] = sizeof(SamfleetSecond);
    bytes[2] = sizeof(SamfleetThird);
}
}
