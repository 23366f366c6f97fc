// SPDX-License-Identifier: MIT
#include "arch.h"

#if TW_ARMV7EM
#include "dsp_armv7em.h"
#include "fixed.h"

int32_t tw_dot(const int8_t *x, const uint8_t *w, uint32_t taps, int32_t sum) {
    for (uint32_t fours = taps / 4; fours; --fours, x += 4, w += 4) {
        const uint32_t xs = tw_four(x), ws = tw_four(w) ^ 0x80808080;
        sum = tw_smlad(tw_odd_s8(xs), tw_odd_s8(ws), tw_smlad(tw_even_s8(xs), tw_even_s8(ws), sum));
    }
    for (uint32_t rest = taps % 4; rest; --rest) {
        sum = (int32_t)((uint32_t)sum + (uint32_t)(*x++ * (*w++ - 128)));
    }
    return sum;
}

typedef struct {
    tw_scale_t scale[2];
    const int32_t *end; // of the sums
} pair_t;

typedef struct {
    const int8_t *shift;
    const int32_t *end; // of the sums
    int32_t twice_zero; // and one more
} row_t;

// 18 cycles for two sums.
TW_ASSEMBLY static void scale_pairs(const int32_t *sums, int8_t *y, uint32_t stride, const pair_t *p) {
    (void)sums, (void)y, (void)stride, (void)p;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r11, lr}\n ldmia r3, {r3-r9}\n"
                     "1:\n ldrd r10, r11, [r0], #8\n" TW_SCALE("r12", "r10", "r3", "r4", "r5") "strb r12, [r1]\n"
                     TW_SCALE("r12", "r11", "r6", "r7", "r8") "strb r12, [r1, #1]\n add r1, r2\n cmp r0, r9\n bne 1b\n"
                     "pop {r4-r11, pc}\n");
}

// 18 cycles a sum. Stops before a shift that it cannot do; returns where.
TW_ASSEMBLY static const int32_t *scale_row(const int32_t *sums, int8_t *y, const int32_t *multiplier, const row_t *p) {
    (void)sums, (void)y, (void)multiplier, (void)p;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r9, lr}\n ldmia r3, {r3-r5}\n"
                     "1:\n ldrsb r6, [r3], #1\n mvns r6, r6\n cmp r6, #13\n bhi 2f\n"
                     "ldr r7, [r0], #4\n ldr r8, [r2], #4\n lsl r9, r5, r6\n" TW_SCALE("r12", "r7", "r8", "r9", "r6")
                     "strb r12, [r1], #1\n cmp r0, r4\n bne 1b\n"
                     "2:\n pop {r4-r9, pc}\n");
}

static int8_t scale_any(const tw_outputs_t *o, uint32_t channel, int32_t sum) {
    const int32_t value = tw_fixed_requant(sum, o->requant.multiplier[channel], o->requant.shift[channel]);
    return (int8_t)tw_fixed_clamp(tw_fixed_add(value, o->zero), INT8_MIN, INT8_MAX);
}

void tw_outputs_limit(const tw_outputs_t *o, uint32_t n, int8_t *y) {
    for (; n && (o->act_min > INT8_MIN || o->act_max < INT8_MAX); --n, ++y) {
        *y = (int8_t)tw_fixed_clamp(*y, o->act_min, o->act_max);
    }
}

void tw_outputs_row(const tw_outputs_t *o, uint32_t channel, const int32_t *sums, uint32_t n, int8_t *y) {
    for (uint32_t i = 0; i < n;) {
        const uint32_t q = (channel + i) * o->each;
        const row_t p = {o->requant.shift + q, sums + (o->each ? n : i + 1), 2 * o->zero + 1};
        if (o->bounded) {
            i = (uint32_t)(scale_row(sums + i, y + i, o->requant.multiplier + q, &p) - sums);
        }
        if (sums + i < p.end) {
            y[i] = scale_any(o, (channel + i) * o->each, sums[i]);
            i++;
        }
    }
    tw_outputs_limit(o, n, y);
}

bool tw_outputs_scale(const tw_outputs_t *o, uint32_t channel, tw_scale_t *scale) {
    const uint32_t q = channel * o->each;
    const int32_t shift = o->requant.shift[q];
    scale->multiplier = o->requant.multiplier[q];
    scale->k = ~shift;
    scale->addend = (int32_t)((uint32_t)(2 * o->zero + 1) << (scale->k & 31));
    return o->bounded && shift < 0 && shift >= TW_BOUND_SHIFT;
}

void tw_outputs_pairs(const tw_outputs_t *o, uint32_t channel, const int32_t *sums, uint32_t n, int8_t *y, uint32_t stride) {
    pair_t p = {.end = sums + 2 * n};
    const bool fast = tw_outputs_scale(o, channel, &p.scale[0]) & tw_outputs_scale(o, channel + 1, &p.scale[1]);
    if (fast) {
        scale_pairs(sums, y, stride, &p);
    }
    if (!fast || o->act_min > INT8_MIN || o->act_max < INT8_MAX) {
        for (; sums < p.end; sums += 2, y += stride) {
            if (!fast) {
                y[0] = scale_any(o, channel * o->each, sums[0]);
                y[1] = scale_any(o, (channel + 1) * o->each, sums[1]);
            }
            tw_outputs_limit(o, 2, y);
        }
    }
}
#endif
