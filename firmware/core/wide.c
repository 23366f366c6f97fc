// SPDX-License-Identifier: MIT
#include "arch.h"

#ifdef TW_WIDE
#include "fixed.h"
#include "wide.h"

// In 32 bits: requant_armv6m.h says why that is exact.
TW_VECTOR
static void requant_bounded(const tw_conv_t *p, uint32_t first, uint32_t n, const int32_t *sums, int8_t *y) {
    const int32_t *multiplier = p->requant.multiplier + first;
    const int8_t *shift = p->requant.shift + first;
    const int32_t *bias = p->bias + first;
    const int32_t zero = p->out.zero_point, low = p->act_min, high = p->act_max;
    for (uint32_t i = 0; i < n; ++i) {
        // Unsigned: where a file lies, they wrap.
        const uint32_t m = (uint32_t)multiplier[i], sum = (uint32_t)sums[i] + (uint32_t)bias[i];
        const int32_t right = -shift[i];
        int32_t t = (int32_t)(sum * (m & 255)) >> 8;
        t = (int32_t)((uint32_t)t + sum * (m >> 8 & 255)) >> 8;
        t = (int32_t)((uint32_t)t + sum * (m >> 16 & 255)) >> 8;
        t = (int32_t)((uint32_t)t + sum * (m >> 24) + (uint32_t)((int32_t)sum < 0 ? -64 : 64) + ((uint32_t)64 << right));
        t = (t >> (right + 7)) + zero;
        t = t < low ? low : t;
        y[i] = (int8_t)(t > high ? high : t);
    }
}

bool tw_wide_narrow(const tw_conv_t *p) {
    bool narrow = p->help.bounded;
    for (uint32_t i = 0; i < p->out.c; ++i) {
        narrow &= p->requant.shift[i] >= TW_BOUND_SHIFT && p->requant.shift[i] < 0;
    }
    return narrow;
}

void tw_wide_requant(const tw_conv_t *p, bool narrow, uint32_t first, uint32_t n, const int32_t *sums, int8_t *y) {
    if (narrow) {
        requant_bounded(p, first, n, sums, y);
        return;
    }
    for (uint32_t i = 0; i < n; ++i) {
        const int32_t value = tw_fixed_requant(
            tw_fixed_add(sums[i], p->bias[first + i]), p->requant.multiplier[first + i], p->requant.shift[first + i]);
        y[i] = (int8_t)tw_fixed_clamp(tw_fixed_add(value, p->out.zero_point), p->act_min, p->act_max);
    }
}
#endif
