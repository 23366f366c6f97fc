// SPDX-License-Identifier: MIT
#include "arch.h"

#if TW_ARMV6M
#include "fixed.h"
#include "requant_armv6m.h"

typedef struct {
    const int8_t *shift;
    int32_t zero; // + 128
    const int32_t *end;
    uint32_t span;
} channels_t;

static bool narrow(const tw_step_t *step) {
    return step->act_min == INT8_MIN;
}

static int8_t general(const tw_step_t *step, uint32_t i, int32_t sum) {
    const int32_t value = tw_fixed_add(tw_fixed_requant(sum, step->multiplier[i], step->shift[i]), step->zero);
    return (int8_t)tw_fixed_clamp(value, step->act_min, step->act_max);
}

#define SIGN "asrs r3, #31\n lsls r3, #7\n adds r1, r3\n"                 // -2^31 of a negative sum
#define CLAMP "asrs r2, r1, #31\n bics r1, r2\n cmp r1, r7\n bls 2f\n mov r1, r7\n 2:\n subs r1, #128\n" // to 0..span

// 53 cycles a sum. Stops before a shift that it cannot do; returns where.
TW_ASSEMBLY static const int32_t *requant_run(
    const int32_t *sums, int8_t *y, const int32_t *multiplier, const channels_t *c) {
    (void)sums, (void)y, (void)multiplier, (void)c;
    __asm__ volatile(".syntax unified\n" TW_SAVE
                     "ldmia r3!, {r4-r7}\n mov r9, r4\n mov r10, r5\n mov lr, r6\n"
                     "mov r6, r1\n mov r4, r2\n"
                     "1:\n mov r2, r9\n movs r5, #0\n ldrsb r5, [r2, r5]\n adds r2, #1\n mov r9, r2\n negs r5, r5\n"
                     "subs r2, r5, #1\n cmp r2, #13\n bhi 3f\n"
                     "ldmia r0!, {r3}\n"
                     "ldrb r1, [r4]\n muls r1, r3\n asrs r1, #8\n"
                     "ldrb r2, [r4, #1]\n muls r2, r3\n adds r1, r2\n asrs r1, #8\n"
                     "ldrb r2, [r4, #2]\n muls r2, r3\n adds r1, r2\n asrs r1, #8\n"
                     "ldrb r2, [r4, #3]\n muls r2, r3\n adds r1, r2\n adds r4, #4\n" SIGN
                     "movs r2, #64\n lsls r2, r5\n adds r1, r2\n adds r1, #64\n"
                     "adds r5, #7\n asrs r1, r5\n add r1, r10\n" CLAMP
                     "strb r1, [r6]\n adds r6, #1\n cmp r0, lr\n bne 1b\n"
                     "3:\n" TW_RESTORE);
}

void tw_requant_channels(const tw_step_t *step, const int32_t *sums, uint32_t n, int8_t *y) {
    for (uint32_t i = 0; i < n; ++i) {
        if (narrow(step)) {
            const channels_t c = {step->shift + i, step->zero + 128, sums + n, (uint32_t)(step->act_max + 128)};
            i = (uint32_t)(requant_run(sums + i, y + i, step->multiplier + i, &c) - sums);
        }
        if (i < n) {
            y[i] = general(step, i, sums[i]);
        }
    }
}
#endif
