// SPDX-License-Identifier: MIT
// The filter bank's arithmetic, with the results of filterbank.c.
#include "arch.h"

#if TW_ARMV6M
#include "frontend_stages.h"

#define ADD(lower, upper, to)                                                                                       \
    "lsrs r0, " upper ", #16\n lsls " upper ", #16\n adds " lower ", " upper "\n adcs r0, r2\n"                     \
    "ldmia r3!, {r1, " to "}\n subs r3, #8\n adds r1, " lower "\n adcs " to ", r0\n stmia r3!, {r1, " to "}\n"

// 16 cycles a bin, and 64.
__attribute__((naked)) void tw_filterbank_add(
    const uint32_t *energy, const uint16_t *weight, const uint32_t *end, tw_slopes_t *sums) {
    (void)energy, (void)weight, (void)end, (void)sums;
    __asm__ volatile(".syntax unified\n"
                     "push {r3-r7, lr}\n"
                     "movs r6, #0\n movs r7, #0\n mov r12, r6\n mov lr, r6\n"
                     "1:\n ldmia r0!, {r4}\n uxth r5, r4\n lsrs r4, #16\n add r12, r5\n add lr, r4\n"
                     "ldrh r3, [r1]\n adds r1, #2\n muls r5, r3\n muls r4, r3\n adds r6, r5\n adds r7, r4\n"
                     "cmp r0, r2\n bne 1b\n"
                     // Sums of energies to those of the rest of their weights: r4, r5.
                     "pop {r3}\n movs r2, #0\n"
                     "mov r4, r12\n lsls r4, #12\n subs r4, r6\n mov r5, lr\n lsls r5, #12\n subs r5, r7\n"
                     ADD("r6", "r7", "r7") ADD("r4", "r5", "r5")
                     "pop {r4-r7, pc}\n");
}

// 8 or 9 cycles a bit, 27 where x has more than 32 of them.
__attribute__((naked)) uint32_t tw_filterbank_root(uint64_t x) {
    (void)x;
    __asm__ volatile(".syntax unified\n"
                     "push {r4, r5, lr}\n"
                     // To r0 the upper 32 bits of x, from an even place; to r2 those below, r4 pairs.
                     "movs r2, #0\n movs r4, #0\n"
                     "1:\n cmp r1, #0\n beq 2f\n"
                     "lsrs r2, #2\n lsls r5, r0, #30\n orrs r2, r5\n lsrs r0, #2\n lsls r5, r1, #30\n orrs r0, r5\n"
                     "lsrs r1, #2\n adds r4, #1\n b 1b\n"
                     "2:\n movs r3, #1\n lsls r3, #30\n"
                     "3:\n cmp r0, r3\n bhs 4f\n lsrs r3, #2\n b 3b\n"
                     // Root to r1, rest to r0.
                     "4:\n adds r5, r1, r3\n lsrs r1, #1\n cmp r0, r5\n blo 5f\n subs r0, r5\n adds r1, r3\n"
                     "5:\n lsrs r3, #2\n bne 4b\n cmp r4, #0\n beq 8f\n"
                     "6:\n lsls r2, #1\n adcs r0, r0\n lsls r2, #1\n adcs r0, r0\n"
                     "lsls r5, r1, #2\n adds r5, #1\n lsls r1, #1\n"
                     "cmp r0, r5\n blo 7f\n subs r0, r5\n adds r1, #1\n"
                     "7:\n subs r4, #1\n bne 6b\n"
                     "8:\n cmp r0, r1\n bls 9f\n adds r5, r1, #1\n movs r3, #1\n lsls r3, #16\n cmp r5, r3\n beq 9f\n"
                     "movs r1, r5\n"
                     "9:\n movs r0, r1\n pop {r4, r5, pc}\n");
}
#endif
