// SPDX-License-Identifier: MIT
// MEAN over height and width, reference.
#include "fixed.h"
#include "ops.h"

void tw_mean_s8(const tw_mean_t *p, const int8_t *x, int8_t *y) {
    const uint32_t count = (uint32_t)p->in.h * p->in.w;
    for (uint32_t c = 0; c < p->in.c; ++c) {
        int32_t sum = 0; // a tensor has at most 2^24 elements
        for (uint32_t i = 0; i < count; ++i) {
            sum += x[i * p->in.c + c];
        }
        const int32_t zeros = p->in.zero_point * (int32_t)count;
        sum = (int32_t)((uint32_t)sum - (uint32_t)zeros);
        const int32_t mean = tw_fixed_requant(sum, p->multiplier, p->shift);
        const int32_t value = tw_fixed_add(mean, p->out_zero_point);
        y[c] = (int8_t)tw_fixed_clamp(value, INT8_MIN, INT8_MAX);
    }
}
