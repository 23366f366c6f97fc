// SPDX-License-Identifier: MIT
// Fixed-point arithmetic, equal to TensorFlow Lite Micro's reference kernels (gemmlowp), which round TWICE when they
// requantise: first the doubling high multiply (ties towards +infinity), then the right shift (ties away from zero).
// The rule is stated in models/SPEC.md, "Arithmetic". Sums that a hostile file could overflow wrap, as uint32_t.
#ifndef TW_FIXED_H
#define TW_FIXED_H

#include <stdint.h>

#if defined(__ARM_ARCH_6M__) // of 64-bit arithmetic one copy is enough
#define TW_SHARED __attribute__((noinline, unused)) static
#else
#define TW_SHARED static inline
#endif

// a + b and a << n, modulo 2^32: what the reference computes wherever it does not overflow.
static inline int32_t tw_fixed_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t tw_fixed_shl(int32_t a, int n) {
    return (int32_t)((uint32_t)a << n);
}

// round(a * b / 2^31), ties towards +infinity. Not of INT32_MIN twice, which nobody asks for: multipliers are not negative.
TW_SHARED int32_t tw_fixed_mul(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

// round(x / 2^n), ties away from zero; n in 0..31.
static inline int32_t tw_fixed_div_pot(int32_t x, int n) {
    const int32_t mask = (int32_t)(((uint32_t)1 << n) - 1);
    const int32_t remainder = x & mask;
    const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> n) + (remainder > threshold ? 1 : 0);
}

// x * 2^n, saturating; n in 1..30.
static inline int32_t tw_fixed_mul_pot(int32_t x, int n) {
    const int32_t limit = (int32_t)(((uint32_t)1 << (31 - n)) - 1);
    return x > limit ? INT32_MAX : x < -limit ? INT32_MIN : tw_fixed_shl(x, n);
}

// x * multiplier * 2^(shift - 31): the requantisation of every kernel. shift in -31..30.
static inline int32_t tw_fixed_requant(int32_t x, int32_t multiplier, int shift) {
    const int left = shift > 0 ? shift : 0;
    const int right = shift > 0 ? 0 : -shift;
    return tw_fixed_div_pot(tw_fixed_mul(tw_fixed_shl(x, left), multiplier), right);
}

static inline int32_t tw_fixed_clamp(int32_t x, int32_t low, int32_t high) {
    return x < low ? low : x > high ? high : x;
}

// Bits needed to write x: 0 for 0, 32 for 2^31. Cortex-M0+ has no instruction for it and libgcc's is not allowed here.
#if defined(__ARM_FEATURE_CLZ)
static inline unsigned tw_fixed_bits(uint32_t x) {
    return x ? 32 - (unsigned)__builtin_clz(x) : 0;
}
#else
unsigned tw_fixed_bits(uint32_t x);
#endif

// exp(a) for a <= 0 in Q5.26, result Q0.31.
int32_t tw_fixed_exp(int32_t a);

// 1 / (1 + a) for a in [0, 1), both Q0.31.
int32_t tw_fixed_inverse(int32_t a);

#endif
