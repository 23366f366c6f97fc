// SPDX-License-Identifier: MIT
// MEAN over width, reference: y[h][c] = clamp(requant(sum_w (x[h][w][c] - in_zero)) + out_zero).
#include "fixed.h"
#include "ops.h"

void tw_mean_s8(const tw_mean_t *p, const int8_t *x, int8_t *y) {
    const int32_t zeros = p->in.zero_point * (int32_t)p->in.w;
    for (uint32_t h = 0; h < p->in.h; ++h, x += (size_t)p->in.w * p->in.c) {
        for (uint32_t c = 0; c < p->in.c; ++c) {
            int32_t sum = 0; // 16 bits of width, 8 of x
            for (uint32_t w = 0; w < p->in.w; ++w) {
                sum += x[(size_t)w * p->in.c + c];
            }
            const int32_t mean = tw_fixed_requant(sum - zeros, p->multiplier, p->shift);
            *y++ = (int8_t)tw_fixed_clamp(tw_fixed_add(mean, p->out_zero_point), INT8_MIN, INT8_MAX);
        }
    }
}
