// SPDX-License-Identifier: MIT
// FULLY_CONNECTED on armv6m. Of a word Z of two units' weights, bytes a0 a1 b0 b1, Z = E + O * 2^8 and rev16(Z) = O + E * 2^8,
// with E = a0 + b0 * 2^16 and O = a1 + b1 * 2^16. So x0 * E + x1 * O, which is both units' sum of two taps, 2^16 apart, is
// f * Z + g * rev16(Z) modulo 2^32, with f = (x0 - 256 * x1) * (2^16 + 1) and g = (x1 - 256 * x0) * (2^16 + 1): four taps
// for two multiplications, and no byte of weights is ever taken out.
#include "arch.h"

#if TW_ARMV6M
#include "fixed.h"
#include "requant_armv6m.h"

#include <string.h>

#define MOST_UNITS 64 // requantised together: each time costs 250 cycles

// Of each two taps f, k, g; 37 cycles for four. k takes the 128 out of the bytes, which would need 17 bits, and adds what
// rounds: 2^15 - 128 * (x0 + x1) * (2^16 + 1) = 2^15 + (f + g) * 128 / 255, as 255 has an inverse modulo 2^32. x may lie in
// the last sixth of what it is spread to: a word is read before it is written over.
TW_ASSEMBLY static void spread(const int8_t *x, const int8_t *end, int32_t *to) {
    (void)x, (void)end, (void)to;
#define SPREAD \
    "muls r4, r7\n muls r5, r7\n lsls r6, r4, #8\n subs r6, r5, r6\n lsls r5, r5, #8\n subs r4, r4, r5\n"           \
    "adds r5, r4, r6\n muls r5, r1\n add r5, lr\n stmia r2!, {r4-r6}\n"
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r7, lr}\n mov r12, r1\n ldr r1, 2f\n movs r7, #1\n lsls r4, r7, #15\n mov lr, r4\n"
                     "lsls r4, r7, #16\n adds r7, r4\n"
                     "1:\n ldmia r0!, {r3}\n sxtb r4, r3\n lsls r5, r3, #16\n asrs r5, #24\n" SPREAD
                     "lsls r4, r3, #8\n asrs r4, #24\n asrs r5, r3, #24\n" SPREAD "cmp r0, r12\n bne 1b\n"
                     "pop {r4-r7, pc}\n .balign 4\n 2: .word 0x7f7f7f80\n");
}

typedef struct {
    uint32_t second; // bytes from a pair of units to the next one
    int32_t base;    // -2^15 for every two taps
    int32_t bias;    // bytes from a sum to what it starts with
    const int32_t *end; // of the sums
    const int32_t *xs_end;
} units_t;

// A sum of each unit, four units at a time; of the last two the same twice. 99 cycles for 32 multiplications, and 51 for four units. Of
// the upper unit v has the sum, and u is that of both.
TW_ASSEMBLY static void dot_units(const int32_t *xs, const uint8_t *weights, int32_t *sums, const units_t *u) {
    (void)xs, (void)weights, (void)sums, (void)u;
#define PAIR(at, u, v)                                                                                              \
    "ldmia " at "!, {r2}\n rev16 r3, r2\n muls r2, r4\n muls r3, r6\n adds r2, r3\n adds r2, r5\n add " u ", r2\n" \
    "asrs r2, #16\n add " v ", r2\n"
#define TWO_TAPS "ldmia r0!, {r4-r6}\n" PAIR("r1", "r8", "r9") PAIR("r7", "r10", "r11")
#define BIASES(u, v) \
    "ldmia r2!, {r3, r6}\n mov " v ", r6\n lsls r6, #16\n adds r3, r6\n adds r3, r5\n mov " u ", r3\n"
    __asm__ volatile(".syntax unified\n" TW_SAVE
                     "ldmia r3!, {r4-r7}\n ldr r3, [r3]\n mov lr, r3\n push {r0, r4-r7}\n subs r3, r7, r2\n"
                     "1:\n mov r12, r2\n add r7, sp, #4\n ldmia r7!, {r4-r6}\n adds r2, r6\n"
                     "movs r7, r1\n cmp r3, #8\n beq 3f\n adds r7, r4\n 3:\n"
                     BIASES("r8", "r9") BIASES("r10", "r11")
                     "lsls r4, #28\n ldr r0, [sp]\n bmi 4f\n" // rounds of 8 taps, and perhaps a half
                     "2:\n" TWO_TAPS TWO_TAPS "4:\n" TWO_TAPS TWO_TAPS "cmp r0, lr\n bne 2b\n"
                     "mov r1, r7\n mov r2, r12\n"
                     "mov r3, r8\n mov r4, r9\n lsls r5, r4, #16\n subs r3, r5\n"
                     "mov r5, r10\n mov r6, r11\n lsls r7, r6, #16\n subs r5, r7\n"
                     "stmia r2!, {r3-r6}\n ldr r3, [sp, #16]\n subs r3, r2\n bhi 1b\n"
                     "add sp, #20\n" TW_RESTORE);
}

// x . w of a row that is left by itself, by whole words. 28 cycles for 4 taps.
TW_ASSEMBLY static int32_t dot_row(const int8_t *x, const uint8_t *weights, const int8_t *end) {
    (void)x, (void)weights, (void)end;
#define BYTE(shift) \
    "lsls r4, r2, #" shift "\n lsls r5, r3, #" shift "\n asrs r4, #24\n asrs r5, #24\n muls r4, r5\n adds r6, r4\n"
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r7, lr}\n mov r12, r2\n movs r6, #0\n"
                     "movs r7, #128\n lsls r3, r7, #8\n orrs r7, r3\n lsls r3, r7, #16\n orrs r7, r3\n"
                     "1:\n ldmia r0!, {r2}\n ldmia r1!, {r3}\n eors r3, r7\n"
                     "sxtb r4, r2\n sxtb r5, r3\n muls r4, r5\n adds r6, r4\n" BYTE("16") BYTE("8")
                     "asrs r2, #24\n asrs r3, #24\n muls r2, r3\n adds r6, r2\n cmp r0, r12\n bne 1b\n"
                     "movs r0, r6\n pop {r4-r7, pc}\n");
}

// A row of the input, which is read before any output is written.
static void run_row(const tw_fully_connected_t *p, const int8_t *x, int8_t *y) {
    const uint32_t row = tw_row_bytes(p->depth), units = p->units, paired = units & ~1u;
    int32_t *xs = p->help.scratch, *xs_end = xs + row / 2 * 3;
    if (((uintptr_t)x | p->depth) % 4) {
        x = memcpy((int8_t *)xs_end - row, x, p->depth);
    }
    int32_t last = 0;
    if (units > paired) {
        last = tw_fixed_add(p->bias[paired], dot_row(x, p->weights + paired * row, x + row));
    }
    if (paired) {
        spread(x, x + row, xs);
    }
    int32_t sums[MOST_UNITS];
    units_t u = {2 * row, -(int32_t)(row << 14), 0, NULL, xs_end};
    tw_step_t step = {p->requant.multiplier, p->requant.shift, p->out_zero_point, p->act_min, p->act_max};
    for (uint32_t unit = 0, n; unit < units; unit += n) {
        n = units - unit < MOST_UNITS ? units - unit : MOST_UNITS;
        u.end = sums + (n & ~1u);
        u.bias = (const char *)(p->bias + unit) - (char *)sums;
        if (n > 1) {
            dot_units(xs, p->weights + unit * row, sums, &u);
        }
        if (n & 1) {
            sums[n - 1] = last;
        }
        const uint32_t same = p->per_channel ? n : 1; // a multiplier is taken for as many
        for (uint32_t i = 0; i < n; i += same, y += same) {
            tw_requant_channels(&step, sums + i, same, y);
        }
        step.multiplier += n * p->per_channel;
        step.shift += n * p->per_channel;
    }
}

void tw_fully_connected_armv6m(const tw_fully_connected_t *p, const int8_t *x, int8_t *y) {
    const bool in_place = p->units == 1 && ((uintptr_t)x | p->depth) % 4 == 0; // needs no scratch
    if (!p->help.bounded || (!in_place && p->help.scratch_bytes < 6 * tw_row_bytes(p->depth))) {
        tw_fully_connected_s8(p, x, y);
        return;
    }
    for (uint32_t i = 0; i < p->rows; ++i, x += p->depth, y += p->units) {
        run_row(p, x, y);
    }
}
#endif
