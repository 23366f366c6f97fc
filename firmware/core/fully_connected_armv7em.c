// SPDX-License-Identifier: MIT
// FULLY_CONNECTED and its parts on armv7em: inputs become 16-bit lanes, on the stack, and so do weights in passing. PKHBT and
// PKHTB make of two words of a pair of rows, a0 a1 b0 b1 and a2 a3 b2 b3, four taps of the one and four of the other, of which
// the even and the odd ones are lanes for SMLAD.
#include "arch.h"

#if TW_ARMV7EM
#include "dsp_armv7em.h"
#include "move.h"

#define MOST_TAPS 128 // that are lanes at a time
#define MOST_UNITS 64 // requantised together, a multiple of 4

typedef struct {
    uint32_t second;    // bytes from a pair of units to the next one
    uint32_t added;     // TW_WEIGHTS
    const int32_t *end; // of the sums
    const uint32_t *xs_end;
} units_t;

// Adds x . w to a sum of each unit, four units at a time; of the last two the same twice. 29 cycles for 16 taps.
TW_ASSEMBLY static void dot_units(const uint32_t *xs, const uint8_t *weights, int32_t *sums, const units_t *u) {
    (void)xs, (void)weights, (void)sums, (void)u;
#define TWO_UNITS(at, a, b)                                                                                                \
    "ldrd r6, r7, [" at "], #8\n pkhbt r8, r6, r7, lsl #16\n pkhtb r7, r7, r6, asr #16\n"                           \
    "uxtab16 r6, r3, r8\n uxtab16 r8, r3, r8, ror #8\n smlad " a ", r6, r4, " a "\n smlad " a ", r8, r5, " a "\n"     \
    "uxtab16 r6, r3, r7\n uxtab16 r7, r3, r7, ror #8\n smlad " b ", r6, r4, " b "\n smlad " b ", r7, r5, " b "\n"
#define FOUR_TAPS "ldrd r4, r5, [r0], #8\n" TWO_UNITS("r1", "r9", "r10") TWO_UNITS("r2", "r11", "r12")
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r11, lr}\n push {r0-r3}\n"
                     "1:\n ldrd r8, r7, [sp, #8]\n ldr r1, [sp, #4]\n ldmia r7, {r2-r4, lr}\n"
                     "add r5, r1, r2, lsl #1\n str r5, [sp, #4]\n ldmia r8, {r9-r12}\n"
                     "subs r4, r8\n cmp r4, #8\n it eq\n moveq r2, #0\n add r2, r1\n"
                     "ldr r0, [sp]\n sub r4, lr, r0\n lsls r4, #28\n bmi 3f\n" // an odd number of fours
                     "2:\n" FOUR_TAPS "3:\n" FOUR_TAPS "cmp r0, lr\n bne 2b\n"
                     "ldrd r8, r7, [sp, #8]\n stmia r8!, {r9-r12}\n str r8, [sp, #8]\n ldr r4, [r7, #8]\n cmp r8, r4\n blo 1b\n"
                     "add sp, #16\n pop {r4-r11, pc}\n");
}

// Lanes of `taps` bytes, in whole words; x may lie in the second half of what it becomes.
static void spread_taps(const int8_t *x, uint32_t taps, uint32_t *to) {
    for (const uint32_t *end = to + (taps + 3) / 4 * 2; to < end; x += 4) {
        const uint32_t four = tw_four(x);
        *to++ = tw_even_s8(four);
        *to++ = tw_odd_s8(four);
    }
}

// Adds x . w to the sums of units in pairs.
static void add_pairs(const tw_fully_connected_t *p, const uint8_t *weights, const int8_t *x, int32_t *sums, uint32_t units) {
    uint32_t xs[MOST_TAPS / 2];
    units_t u = {2 * tw_row_bytes(p->depth), TW_WEIGHTS, sums + units, NULL};
    for (uint32_t tap = 0, n; tap < p->depth; tap += n, x += n, weights += 2 * n) {
        n = p->depth - tap < MOST_TAPS ? p->depth - tap : MOST_TAPS;
        const uint32_t bytes = tw_row_bytes(n);
        spread_taps(n == bytes ? x : memcpy((int8_t *)xs + bytes, x, n), n, xs); // nothing behind the last tap is read
        u.xs_end = xs + bytes / 2;
        dot_units(xs, weights, sums, &u);
    }
}

typedef struct {
    const uint32_t *from; // what is added to, if there is any
    uint32_t *to;         // sums; y if there are none
} partial_t;

static void run_row(const tw_fully_connected_t *p, const int8_t *x, int8_t *y, const partial_t *s) {
    const tw_outputs_t outputs = {p->requant, p->per_channel, p->out_zero_point, p->act_min, p->act_max, p->help.bounded};
    const uint32_t row = tw_row_bytes(p->depth);
    for (uint32_t unit = 0, n; unit < p->units; unit += n) {
        int32_t sums[MOST_UNITS];
        n = p->units - unit < MOST_UNITS ? p->units - unit : MOST_UNITS;
        tw_move(sums, p->bias + unit, 4 * n);
        for (uint32_t i = 0; s->from && i < n; ++i) {
            sums[i] = (int32_t)((uint32_t)sums[i] + s->from[unit + i]);
        }
        const uint8_t *weights = p->weights + unit * row;
        const uint32_t even = n & ~1u;
        const int32_t last = even < n ? tw_dot(x, weights + even * row, p->depth, sums[even]) : 0;
        if (even) {
            add_pairs(p, weights, x, sums, even);
        }
        if (even < n) {
            sums[even] = last;
        }
        if (s->to) {
            tw_move(s->to + unit, sums, 4 * n);
        } else {
            tw_outputs_row(&outputs, unit, sums, n, y + unit);
        }
    }
}

void tw_fully_connected_armv7em(const tw_fully_connected_t *p, const int8_t *x, int8_t *y) {
    const partial_t none = {NULL, NULL};
    for (uint32_t i = 0; i < p->rows; ++i, x += p->depth, y += p->units) {
        run_row(p, x, y, &none);
    }
}

void tw_fully_connected_part_armv7em(const tw_fully_connected_part_t *p, const int8_t *x, uint32_t *sums, int8_t *y) {
    const partial_t s = {p->part == TW_PART_FIRST ? NULL : sums, p->part == TW_PART_LAST ? NULL : sums};
    run_row(&p->fc, x, y, &s);
}
#endif
