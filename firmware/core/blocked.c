// SPDX-License-Identifier: MIT
#include "blocked.h"

#if TW_BLOCKED
#include "fixed.h"

// floor(sum * m / 2^24) where |sum| < 2^23.
static inline int32_t scaled(uint32_t sum, uint32_t m) {
#if TW_FEW_REGISTERS // byte by byte, each time dropping bits that no longer count
    int32_t t = (int32_t)(sum * (m & 255)) >> 8;
    t = (int32_t)((uint32_t)t + sum * (m >> 8 & 255)) >> 8;
    t = (int32_t)((uint32_t)t + sum * (m >> 16 & 255)) >> 8;
    return (int32_t)((uint32_t)t + sum * (m >> 24));
#else
    return (int32_t)((int64_t)(int32_t)(sum << 8) * (int32_t)m >> 32);
#endif
}

TW_HOT void tw_patch_add(tw_patch_t *to, const int8_t *x, uint32_t step, uint32_t n) {
    const uint32_t stride = to->stride;
    int32_t sum = to->sum;
    int16_t *at = to->at;
    for (; n; --n, x += step, at += stride) {
        const int32_t element = *x;
        *at = (int16_t)element;
        sum += element;
    }
    to->sum = sum;
    to->at = at;
}

// Of one channel whose shift or sums have no bounds.
__attribute__((noinline)) static void outputs_unbounded(
    const tw_outputs_t *o, uint32_t channel, const tw_sums_t *of, const uint32_t *sums, int8_t *y) {
    const uint32_t q = o->per_channel ? channel : 0;
    for (uint32_t i = 0; i < of->pixels; ++i, y += of->stride) {
        const int32_t sum = (int32_t)(sums[i] + (uint32_t)o->bias[channel]);
        const int32_t value = tw_fixed_requant(sum, o->requant.multiplier[q], o->requant.shift[q]);
        *y = (int8_t)tw_fixed_clamp(tw_fixed_add(value, o->zero), o->act_min, o->act_max);
    }
}

// Where a shift -s lies in TW_BOUND_SHIFT..-1, two roundings are one:
// floor((sum * m + 2^30 + 2^31 * (2^(s-1) - (sum < 0))) / 2^(31+s)). The lower 24 bits of the product carry nothing on.
TW_HOT void tw_blocked_outputs(const tw_outputs_t *o, uint32_t first, uint32_t n, const tw_sums_t *of, int8_t *y) {
    const int32_t *bias = o->bias + first, *end = bias + n;
    const uint32_t per_channel = o->per_channel, q = per_channel ? first : 0, stride = of->stride, pixels = of->pixels;
    const int32_t *multiplier = o->requant.multiplier + q;
    const int8_t *shift = o->requant.shift + q;
    const int32_t low = o->act_min, high = o->act_max, zero = o->zero;
    const uint32_t least = o->bounded ? -TW_BOUND_SHIFT : 0; // shifts that are bounded
    for (const uint32_t *sums = of->sums; bias < end; ++bias, ++y, sums += of->pitch) {
        const uint32_t s = (uint32_t)-*shift, m = (uint32_t)*multiplier;
        shift += per_channel;
        multiplier += per_channel;
        if (s - 1 >= least) {
            outputs_unbounded(o, first + n - (uint32_t)(end - bias), of, sums, y);
            continue;
        }
        const uint32_t right = s + 7, start = (uint32_t)*bias;
        const int32_t add = 64 + (64 << s) + zero * (1 << right);
        int8_t *to = y;
        const uint32_t *at = sums;
        for (uint32_t left = pixels; left; --left, to += stride) {
            const uint32_t sum = *at++ + start;
            const int32_t value = (scaled(sum, m) + add - (int32_t)(sum >> 24 & 128)) >> right;
            *to = (int8_t)tw_fixed_clamp(value, low, high);
        }
    }
}
#endif
