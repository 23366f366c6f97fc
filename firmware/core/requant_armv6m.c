// SPDX-License-Identifier: MIT
#include "arch.h"

#if TW_ARMV6M
#include "fixed.h"
#include "requant_armv6m.h"

static int8_t general(const tw_step_t *step, int32_t sum) {
    const int32_t value = tw_fixed_add(tw_fixed_requant(sum, *step->multiplier, *step->shift), step->zero);
    return (int8_t)tw_fixed_clamp(value, step->act_min, step->act_max);
}

// 35 cycles for a sum of 16 bits, 57 for another, 16 for one below 0 if the zero point is the lowest output; 9 more where the
// output is clamped. Stops before a shift that it cannot do, or at once where act_min is not the lowest; returns where.
TW_ASSEMBLY static const int32_t *requant_run(
    const int32_t *sums, int8_t *y, const int32_t *end, const tw_step_t *step) {
    (void)sums, (void)y, (void)end, (void)step;
    __asm__ volatile(".syntax unified\n" TW_SAVE
                     "mov lr, r2\n ldmia r3!, {r4-r7}\n adds r7, #128\n bne 3f\n"
                     "adds r6, #128\n mov r10, r6\n beq 9f\n movs r7, #1\n lsls r7, #31\n 9:\n mov r8, r7\n"
                     "ldr r7, [r3]\n adds r7, #128\n mov r9, r7\n" // span
                     "subs r4, #4\n subs r4, r0\n subs r7, r5, r1\n mov r6, r1\n"
                     "1:\n ldrsb r5, [r6, r7]\n negs r5, r5\n ble 3f\n ldmia r0!, {r3}\n cmp r3, r8\n blt 5f\n"
                     "sxth r2, r3\n cmp r2, r3\n bne 4f\n"
                     "ldr r1, [r0, r4]\n uxth r2, r1\n lsrs r1, #16\n muls r2, r3\n asrs r2, #16\n muls r1, r3\n"
                     "adds r1, r2\n asrs r2, r3, #31\n asrs r1, #15\n"
                     "7:\n adcs r1, r2\n asrs r1, r5\n movs r2, #0\n adcs r1, r2\n" // half of the last place rounds up
                     "add r1, r10\n cmp r1, r9\n bhi 6f\n"
                     "2:\n subs r1, #128\n strb r1, [r6]\n adds r6, #1\n cmp r0, lr\n bne 1b\n"
                     "3:\n" TW_RESTORE
                     "4:\n cmp r5, #14\n bhi 8f\n"
                     "adds r4, r0\n ldrb r1, [r4]\n muls r1, r3\n asrs r1, #8\n"
                     "ldrb r2, [r4, #1]\n muls r2, r3\n adds r1, r2\n asrs r1, #8\n"
                     "ldrb r2, [r4, #2]\n muls r2, r3\n adds r1, r2\n asrs r1, #8\n"
                     "ldrb r2, [r4, #3]\n muls r2, r3\n adds r1, r2\n subs r4, r0\n"
                     "asrs r2, r3, #31\n asrs r1, #7\n b 7b\n"
                     "5:\n movs r1, #128\n strb r1, [r6]\n adds r6, #1\n cmp r0, lr\n bne 1b\n b 3b\n"
                     "6:\n mvns r1, r1\n asrs r1, #31\n mov r2, r9\n ands r1, r2\n b 2b\n" // to 0 or span
                     "8:\n subs r0, #4\n b 3b\n");
}

void tw_requant_channels(const tw_step_t *step, const int32_t *sums, uint32_t n, int8_t *y) {
    tw_step_t left;
    for (const int32_t *end = sums + n, *at; sums < end && (at = requant_run(sums, y, end, step)) < end; sums = at + 1) {
        left = *step;
        left.multiplier += at - sums;
        left.shift += at - sums;
        y += at - sums;
        *y++ = general(&left, *at);
        left.multiplier++;
        left.shift++;
        step = &left;
    }
}
#endif
