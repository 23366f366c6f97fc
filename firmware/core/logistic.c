// SPDX-License-Identifier: MIT
// LOGISTIC, reference: y = 256 / (1 + exp(-x)) - 128.
#include "fixed.h"
#include "ops.h"

void tw_logistic_s8(const tw_logistic_t *p, const int8_t *x, int8_t *y) {
    for (uint32_t i = 0; i < p->count; ++i) {
        const int32_t value = x[i] - p->in_zero_point;
        if (value <= -(int32_t)p->radius) {
            y[i] = INT8_MIN;
        } else if (value >= (int32_t)p->radius) {
            y[i] = INT8_MAX;
        } else {
            const int32_t q27 = tw_fixed_requant(value, p->multiplier, p->shift);
            // INT32_MIN has no negative, and only a hostile multiplier gets there.
            const int32_t q31 = tw_fixed_logistic(q27 == INT32_MIN ? -INT32_MAX : q27);
            y[i] = (int8_t)tw_fixed_clamp(tw_fixed_div_pot(q31, 23) - 128, INT8_MIN, INT8_MAX);
        }
    }
}
