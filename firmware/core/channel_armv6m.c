// SPDX-License-Identifier: MIT
#include "arch.h"

#if TW_ARMV6M
#include "channel_armv6m.h"

__attribute__((used)) void tw_channel_general(const tw_channel_t *c, const int32_t *sums, int8_t *y) {
    for (uint32_t column = 0; column < c->columns; ++column, sums += c->sums_skip / 4, y += c->y_skip) {
        for (const int32_t *end = sums + c->bytes / 4; sums < end; ++sums, y += c->stride) {
            tw_requant_channels(&c->step, sums, 1, y);
        }
    }
}

// 18 cycles a sum; 48 more of those too close to call, and of all where nothing but the exact way is allowed. With s the
// shift to the right: sums from 510 * 2^s on give 127, as the multiplier is at least 2^30; the others' product with the
// rounded multiplier, of 23 bits of fraction, is off by less than 2^(8+s) and made larger by as much.
__attribute__((used)) TW_ASSEMBLY void tw_channel_run(const tw_channel_t *c, const int32_t *sums, int8_t *y) {
    (void)c, (void)sums, (void)y;
    __asm__ volatile(".syntax unified\n"
                     "mov r6, r2\n mov r12, r0\n"
                     "ldmia r0!, {r4, r5}\n movs r7, #0\n ldrsb r7, [r5, r7]\n negs r7, r7\n" // s
                     "subs r5, r7, #1\n cmp r5, #13\n bls 7f\n"
                     "8:\n mov r0, r12\n mov r2, r6\n bl tw_channel_general\n b 10f\n"
                     "7:\n ldmia r0!, {r2, r3, r5}\n adds r3, #128\n bne 8b\n adds r2, #128\n adds r5, #128\n"
                     "ldmia r0!, {r3}\n mov r11, r3\n ldmia r0!, {r3}\n adds r3, r1\n mov lr, r3\n ldr r3, [r0]\n"
                     "push {r0, r3, r5}\n" // skips, columns left, span
                     "movs r0, r1\n"
                     "movs r3, #64\n lsls r3, r7\n adds r3, #64\n adds r7, #7\n" // exact: addend, and last shift
                     "movs r1, r2\n lsls r1, r7\n adds r3, r1\n mov r12, r3\n"
                     "movs r3, #255\n eors r5, r3\n orrs r2, r5\n bne 1f\n"
                     "ldr r5, [r4]\n lsrs r2, r5, #30\n beq 1f\n"
                     "lsls r3, r7\n lsrs r3, #6\n subs r3, #1\n mov r8, r3\n" // the last sum that is not clamped
                     "movs r3, #1\n lsls r3, r7\n adds r5, r3\n lsrs r5, r7\n lsrs r5, #1\n" // rounded multiplier
                     "lsls r2, r3, #11\n subs r2, #1\n mov r9, r2\n"                         // fractions too close to call
                     "lsls r3, #1\n movs r1, #1\n lsls r1, #22\n adds r3, r1\n lsls r1, #7\n lsrs r1, r7\n adds r3, r1\n"
                     "mov r10, r3\n b 2f\n"
                     "1:\n movs r3, #0\n mvns r3, r3\n mov r8, r3\n mov r9, r3\n"
                     "2:\n ldmia r0!, {r3}\n cmp r3, r8\n bhi 5f\n"
                     "muls r3, r5\n add r3, r10\n lsls r2, r3, #9\n cmp r2, r9\n bls 6f\n"
                     "asrs r3, #23\n bmi 4f\n subs r3, #128\n"
                     "3:\n strb r3, [r6]\n add r6, r11\n cmp r0, lr\n bne 2b\n"
                     "ldr r2, [sp, #4]\n subs r2, #1\n beq 9f\n str r2, [sp, #4]\n" // the next column
                     "ldr r3, [sp]\n subs r3, #4\n ldmia r3!, {r1, r2}\n ldmia r3, {r2, r3}\n"
                     "adds r0, r2\n adds r6, r3\n adds r1, r0\n mov lr, r1\n b 2b\n"
                     "4:\n movs r3, #0\n" // above 127
                     "5:\n lsrs r3, #31\n adds r3, #127\n b 3b\n"
                     "6:\n subs r0, #4\n ldmia r0!, {r3}\n"
                     "ldrb r1, [r4]\n muls r1, r3\n asrs r1, #8\n"
                     "ldrb r2, [r4, #1]\n muls r2, r3\n adds r1, r2\n asrs r1, #8\n"
                     "ldrb r2, [r4, #2]\n muls r2, r3\n adds r1, r2\n asrs r1, #8\n"
                     "ldrb r2, [r4, #3]\n muls r2, r3\n adds r1, r2\n"
                     "asrs r3, #31\n lsls r3, #7\n adds r1, r3\n" // -2^31 of a negative sum
                     "add r1, r12\n asrs r1, r7\n"
                     "asrs r2, r1, #31\n bics r1, r2\n ldr r3, [sp, #8]\n cmp r1, r3\n bhi 7f\n mov r3, r1\n" // to 0..span
                     "7:\n subs r3, #128\n b 3b\n"
                     "9:\n add sp, #12\n"
                     "10:\n" TW_RESTORE);
}
#endif
