// SPDX-License-Identifier: MIT
// SOFTMAX, reference: y = 256 * exp(x - max) / sum exp(x - max) - 128, exponentials in Q0.31, their sum in Q12.19.
#include "fixed.h"
#include "ops.h"

#define SUM_INTEGER_BITS 12

static int32_t exponential(const tw_softmax_t *p, int32_t difference) {
    return tw_fixed_exp(tw_fixed_mul(tw_fixed_shl(difference, p->shift), p->multiplier));
}

static void softmax_row(const tw_softmax_t *p, const int8_t *x, int8_t *y) {
    int32_t most = INT8_MIN;
    for (uint32_t c = 0; c < p->c; ++c) {
        most = x[c] > most ? x[c] : most;
    }
    uint32_t sum = 0;
    for (uint32_t c = 0; c < p->c; ++c) {
        if (x[c] - most >= p->diff_min) {
            sum += (uint32_t)tw_fixed_div_pot(exponential(p, x[c] - most), SUM_INTEGER_BITS);
        }
    }
    // sum = m * 2^-headroom with m in [1, 2): invert m, put the exponent back with the final shift.
    const int headroom = 32 - (int)tw_fixed_bits(sum);
    const int32_t scale = tw_fixed_inverse((int32_t)((sum << headroom) - 0x80000000u));
    const int shift = SUM_INTEGER_BITS - headroom + 31 - 8;
    for (uint32_t c = 0; c < p->c; ++c) {
        int32_t value = INT8_MIN;
        if (x[c] - most >= p->diff_min && shift < 32) { // 32 and more: hundreds of equal values, each below 1/512
            value = tw_fixed_div_pot(tw_fixed_mul(scale, exponential(p, x[c] - most)), shift) - 128;
        }
        y[c] = (int8_t)tw_fixed_clamp(value, INT8_MIN, INT8_MAX);
    }
}

void tw_softmax_s8(const tw_softmax_t *p, const int8_t *x, int8_t *y) {
    for (uint32_t row = 0; row < p->rows; ++row, x += p->c, y += p->c) {
        softmax_row(p, x, y);
    }
}
