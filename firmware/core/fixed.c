// SPDX-License-Identifier: MIT
// Exponential and reciprocal in 32-bit fixed point: the published gemmlowp algorithms, so that SOFTMAX equals TensorFlow
// Lite Micro's to the bit.
#include "fixed.h"

#define ONE INT32_MAX // 1.0 in Q0.31, as near as it gets

// Of the exponential's argument.
#define EXP_INTEGER_BITS 5
#define EXP_FRACTION_BITS 26

#if !defined(__ARM_FEATURE_CLZ)
unsigned tw_fixed_bits(uint32_t x) {
    unsigned n = 0;
    if (x >> 16) {
        n = 16;
        x >>= 16;
    }
    if (x >> 8) {
        n += 8;
        x >>= 8;
    }
    if (x >> 4) {
        n += 4;
        x >>= 4;
    }
    if (x >> 2) {
        n += 2;
        x >>= 2;
    }
    return n + (x >> 1) + (x > 0);
}
#endif

// exp(a) for a in [-1/4, 0), Q0.31: fourth-order Taylor expansion around -1/8.
static int32_t exp_quarter(int32_t a) {
    const int32_t exp_minus_eighth = 1895147668;
    const int32_t third = 715827883;
    const int32_t x = tw_fixed_add(a, 1 << 28);
    const int32_t x2 = tw_fixed_mul(x, x);
    const int32_t x3 = tw_fixed_mul(x2, x);
    const int32_t x4_over_4 = tw_fixed_div_pot(tw_fixed_mul(x2, x2), 2);
    const int32_t tail =
        tw_fixed_div_pot(tw_fixed_add(tw_fixed_mul(tw_fixed_add(x4_over_4, x3), third), x2), 1);
    return tw_fixed_add(exp_minus_eighth, tw_fixed_mul(exp_minus_eighth, tw_fixed_add(x, tail)));
}

int32_t tw_fixed_exp(int32_t a) {
    const int32_t quarter = 1 << (EXP_FRACTION_BITS - 2);
    if (a == 0) {
        return ONE;
    }
    const int32_t rest = (a & (quarter - 1)) - quarter; // in [-1/4, 0)
    const uint32_t steps = (uint32_t)rest - (uint32_t)a; // a multiple of 1/4: each set bit is one factor below
    int32_t result = exp_quarter(tw_fixed_mul_pot(rest, EXP_INTEGER_BITS));
    // exp(-2^e) in Q0.31 for e = -2..4.
    static const int32_t factor[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    for (int e = -2; e < EXP_INTEGER_BITS; ++e) {
        if ((steps >> (EXP_FRACTION_BITS + e)) & 1) {
            result = tw_fixed_mul(result, factor[e + 2]);
        }
    }
    return result;
}

int32_t tw_fixed_inverse(int32_t a) {
    // Newton-Raphson on the denominator (1 + a) / 2, x in Q2.29, starting from 48/17 - 32/17 d.
    const int32_t half = (int32_t)(((int64_t)a + ONE + 1) / 2);
    int32_t x = tw_fixed_add(1515870810, tw_fixed_mul(half, -1010580540));
    for (int i = 0; i < 3; ++i) {
        const int32_t error = tw_fixed_add(1 << 29, -tw_fixed_mul(half, x));
        x = tw_fixed_add(x, tw_fixed_mul_pot(tw_fixed_mul(x, error), 2));
    }
    return tw_fixed_mul_pot(x, 1);
}
