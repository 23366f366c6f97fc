// SPDX-License-Identifier: MIT
// Requantisation on armv7em. Where a sum is within +-2^30 and its shift is -n < 0, the first rounding is SMMULR of twice the
// sum, and the second (t + 2^(n-1) - (t < 0)) >> n, in which the sum's sign does for that of t.
#include "arch.h"

#if TW_ARMV7EM
#include "dsp_armv7em.h"
#include "fixed.h"

typedef struct {
    int32_t multiplier, addend;
    uint32_t right;
} narrow_t;

static inline bool narrow(const tw_outputs_t *o, int32_t shift) {
    return o->bounded && shift < 0 && shift >= TW_BOUND_SHIFT;
}

// Of a narrow channel.
static inline narrow_t prepare(const tw_outputs_t *o, uint32_t channel) {
    const uint32_t right = (uint32_t)-o->requant.shift[channel];
    const narrow_t n = {o->requant.multiplier[channel], (int32_t)((uint32_t)o->zero << right) + (1 << (right - 1)), right};
    return n;
}

static inline int8_t scale_narrow(const narrow_t *n, int32_t sum) {
    int32_t t;
    __asm__(".syntax unified\n"
            "smmlar %0, %1, %2, %3\n add %0, %0, %4, asr #31\n asr %0, %0, %5\n ssat %0, #8, %0"
            : "=&r"(t)
            : "r"((uint32_t)sum << 1), "r"(n->multiplier), "r"(n->addend), "r"(sum), "r"(n->right));
    return (int8_t)t;
}

static int8_t scale_any(const tw_outputs_t *o, uint32_t channel, int32_t sum) {
    const int32_t value = tw_fixed_requant(sum, o->requant.multiplier[channel], o->requant.shift[channel]);
    return (int8_t)tw_fixed_clamp(tw_fixed_add(value, o->zero), INT8_MIN, INT8_MAX);
}

static void limit(const tw_outputs_t *o, uint32_t n, int8_t *y, uint32_t stride) {
    if (o->act_min > INT8_MIN || o->act_max < INT8_MAX) {
        for (; n; --n, y += stride) {
            *y = (int8_t)tw_fixed_clamp(*y, o->act_min, o->act_max);
        }
    }
}

void tw_outputs_column(const tw_outputs_t *o, uint32_t channel, const int32_t *sums, uint32_t pitch, uint32_t n, int8_t *y,
    uint32_t stride) {
    int8_t *at = y;
    if (narrow(o, o->requant.shift[channel])) {
        const narrow_t fast = prepare(o, channel);
        for (uint32_t i = n; i; --i, sums += pitch, at += stride) {
            *at = scale_narrow(&fast, *sums);
        }
    } else {
        for (uint32_t i = n; i; --i, sums += pitch, at += stride) {
            *at = scale_any(o, channel, *sums);
        }
    }
    limit(o, n, y, stride);
}

void tw_outputs_row(const tw_outputs_t *o, uint32_t channel, uint32_t each, const int32_t *sums, uint32_t n, int8_t *y) {
    for (uint32_t i = 0; i < n; ++i, channel += each) {
        if (narrow(o, o->requant.shift[channel])) {
            const narrow_t fast = prepare(o, channel);
            y[i] = scale_narrow(&fast, sums[i]);
        } else {
            y[i] = scale_any(o, channel, sums[i]);
        }
    }
    limit(o, n, y, 1);
}
#endif
