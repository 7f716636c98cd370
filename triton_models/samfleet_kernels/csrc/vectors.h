// Vectors of float32 in the compiler's own notation, so that one source serves every instruction set.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC's own header leaves masked lanes undefined
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include "gelu_pieces.h"
#endif

namespace {

// LANES numbers to a register; a product keeps ROWS x COLUMNS registers of sums, as many as the registers allow. Those
// over the image, whose columns are no whole tile, keep GATHERED_ROWS x GATHERED_COLUMNS. Those with the rows of a head
// keep up to HEAD_ROWS x COLUMNS: the 7 tokens of a point are one panel then, which reads a head's table once.
#if defined(__AVX512F__)
constexpr int LANES = 16, ROWS = 6, COLUMNS = 4, HEAD_ROWS = 7, GATHERED_ROWS = 8, GATHERED_COLUMNS = 3;
#elif defined(__AVX2__)
constexpr int LANES = 8, ROWS = 6, COLUMNS = 2, HEAD_ROWS = 6, GATHERED_ROWS = 6, GATHERED_COLUMNS = 2;
#elif defined(__aarch64__)
constexpr int LANES = 4, ROWS = 6, COLUMNS = 4, HEAD_ROWS = 6, GATHERED_ROWS = 6, GATHERED_COLUMNS = 4;
#else
constexpr int LANES = 4, ROWS = 6, COLUMNS = 2, HEAD_ROWS = 6, GATHERED_ROWS = 6, GATHERED_COLUMNS = 2;
#endif

typedef float Vector __attribute__((vector_size(LANES * 4)));
typedef int32_t Integers __attribute__((vector_size(LANES * 4)));

#define INLINE inline __attribute__((always_inline))

INLINE Vector load(const float *from) {
    Vector x;
    memcpy(&x, from, sizeof x);
    return x;
}

INLINE void store(float *to, Vector x) { memcpy(to, &x, sizeof x); }

// Write past the caches what other numbers would displace before it is read. Another thread may read it behind
// `end_streams`.
INLINE void stream(float *to, Vector x) {
#if defined(__AVX512F__)
    if ((uintptr_t)to % sizeof x == 0) return _mm512_stream_ps(to, (__m512)x);
#endif
    store(to, x);
}

INLINE void end_streams() {
#if defined(__AVX512F__)
    _mm_sfence();
#endif
}

// x - 0 is x for every x, which x + 0 is not; so this costs no subtraction.
INLINE Vector broadcast(float x) { return x - Vector{}; }

INLINE Vector greater(Vector a, Vector b) { return a > b ? a : b; }
INLINE Vector lesser(Vector a, Vector b) { return a < b ? a : b; }

// Bit i is set where a[i] > b[i].
INLINE uint32_t lanes_above(Vector a, Vector b) {
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);
#elif defined(__AVX2__)
    return (uint32_t)__builtin_ia32_movmskps256((Vector)(a > b));
#elif defined(__SSE__)
    return (uint32_t)__builtin_ia32_movmskps((Vector)(a > b));
#else
    uint32_t bits = 0;
    for (int lane = 0; lane < LANES; lane++) bits |= (uint32_t)(a[lane] > b[lane]) << lane;
    return bits;
#endif
}

INLINE float sum_of(Vector x) {
    float sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += x[lane];
    return sum;
}

INLINE float greatest_of(Vector x) {
    float most = x[0];
    for (int lane = 1; lane < LANES; lane++) most = x[lane] > most ? x[lane] : most;
    return most;
}

constexpr float LEAST_EXPONENT = -40.f;

// e^x for x <= 88, within 2e-7 of the result; below LEAST_EXPONENT it is e^LEAST_EXPONENT. Beside a weight of 1 that is
// lost in a float's rounding, and products of two such weights are still normal numbers: denormal ones are slow.
// NaN remains NaN. The coefficients, and ln 2 in two parts, are those of expf in the Cephes library (S. L. Moshier).
INLINE Vector exponential(Vector x) {
    const float round = 12582912.f;  // 1.5 * 2^23: adding it leaves an integer in the low bits
#if defined(__AVX512F__)
    x = (Vector)_mm512_max_ps((__m512)broadcast(LEAST_EXPONENT), (__m512)x);  // of two operands, the second one if that is NaN
#else
    x = x < LEAST_EXPONENT ? broadcast(LEAST_EXPONENT) : x;
#endif
    Vector shifted = x * 1.44269504f + round;
    Vector power = shifted - round;
    Vector f = x - power * 0.693359375f;
    f = f + power * 2.12194440e-4f;
    Vector p = f * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    p = p * (f * f) + (f + 1.f);
#if defined(__AVX512F__)
    return (Vector)_mm512_scalef_ps((__m512)p, (__m512)power);
#else
    Integers bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits - 0x4B400000 + 127) << 23;
    Vector scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
#endif
}

#if defined(__AVX512F__)

// The coefficients of one power for 16 pieces; the low bits of `shifted` are their numbers.
INLINE Vector of_pieces(const float (&power)[32], Vector shifted) {
    return (Vector)_mm512_permutex2var_ps((__m512)load(power), (__m512i)shifted, (__m512)load(power + LANES));
}

// x Φ(x), within 1e-7 of max(|x|, 1). It is max(x, 0) - |x| / 2 · erfc(|x| / √2), and that part is read from pieces;
// behind 6 it is below 1e-8. NaN remains NaN: of two operands, the least and the greatest are the second one then.
INLINE Vector gelu(Vector x) {
    const float round = 12582912.f;
    Vector a = (Vector)_mm512_min_ps((__m512)broadcast(GELU_END), _mm512_abs_ps((__m512)x));
    Vector shifted = a * GELU_PIECES_PER_UNIT + round;
    Vector f = a * GELU_PIECES_PER_UNIT - (shifted - round);
    Vector p = of_pieces(GELU_PIECES[4], shifted);
    p = p * f + of_pieces(GELU_PIECES[3], shifted);
    p = p * f + of_pieces(GELU_PIECES[2], shifted);
    p = p * f + of_pieces(GELU_PIECES[1], shifted);
    p = p * f + of_pieces(GELU_PIECES[0], shifted);
    return (Vector)_mm512_max_ps((__m512)x, (__m512)Vector{}) - p;
}

#else

// x Φ(x), within 1e-7 of max(|x|, 1). It is max(x, 0) - |x| / 2 · erfc(|x| / √2), and erfc(a / √2) is 2^-q(a) with a
// polynomial q, fitted on [0, 6] for the least error of the result; behind 6 that part is below 1e-8. NaN remains NaN.
INLINE Vector gelu(Vector x) {
    const float round = 12582912.f;
    Vector a = x > -x ? x : -x;
    a = a > 6.f ? broadcast(6.f) : a;
    Vector q = a * 1.8972029e-6f - 2.7999602e-5f;
    q = q * a + 1.3120296e-4f;
    q = q * a + 2.7272964e-4f;
    q = q * a - 7.2462880e-3f;
    q = q * a + 5.2628230e-2f;
    q = q * a + 4.5916194e-1f;
    q = q * a + 1.1511111f;
    Vector shifted = round - q * a;
    Vector f = -(q * a) - (shifted - round);
    Vector p = f * 6.6382361e-4f + 4.8377707e-3f;  // 2^f / 2 on [-1/2, 1/2], within 8e-8 of it
    p = p * f + 2.7753566e-2f;
    p = p * f + 1.2011060e-1f;
    p = p * f + 3.4657348e-1f;
    p = p * f + 5.0000004e-1f;
    Integers bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits - 0x4B400000 + 127) << 23;
    Vector scale;
    memcpy(&scale, &bits, sizeof scale);
    return (x > 0.f ? x : Vector{}) - a * (p * scale);
}

#endif

}  // namespace
