// SPDX-License-Identifier: MIT
// MUL, reference: y = clamp(requant((x - in_zero) * (x2 - in2_zero)) + out_zero).
#include "elementwise.h"
#include "fixed.h"

static int32_t multiplied(const void *params, int32_t a, int32_t b) {
    const tw_mul_t *p = params;
    return tw_fixed_requant(a * b, p->multiplier, p->shift);
}

void tw_mul_s8(const tw_mul_t *p, const int8_t *x, const int8_t *x2, int8_t *y) {
    tw_elementwise_walk(&p->pair, x, x2, y, multiplied, p);
}
