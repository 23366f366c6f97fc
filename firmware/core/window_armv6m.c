// SPDX-License-Identifier: MIT
// The window's arithmetic, with the results of window.c.
#include "arch.h"

#if TW_ARMV6M
#include "frontend_stages.h"

// To r6, which loses it, from sample r6 and coefficient r7; noted in r5. Ends the loop behind r12.
#define MULTIPLY                                                                                                    \
    "muls r6, r7\n asrs r6, #12\n strh r6, [r2, r4]\n asrs r7, r6, #31\n adds r6, r7\n eors r6, r7\n orrs r5, r6\n" \
    "adds r4, #2\n 2:\n cmp r4, r12\n bne 1b\n movs r0, r5\n pop {r4-r7, pc}\n"
#define START "push {r4-r7, lr}\n lsls r3, #1\n mov r12, r3\n movs r4, #0\n movs r5, #0\n b 2f\n"

// 18 cycles a sample.
__attribute__((naked)) uint32_t tw_window_rise(const int16_t *x, const int16_t *entry, int16_t *to, unsigned n) {
    (void)x, (void)entry, (void)to, (void)n;
    __asm__ volatile(".syntax unified\n" START
                     "1:\n ldrsh r6, [r0, r4]\n ldrh r7, [r1, r4]\n lsls r7, #19\n lsrs r7, #19\n" MULTIPLY);
}

// 22 cycles a sample.
__attribute__((naked)) uint32_t tw_window_fall(const int16_t *x, const int16_t *entry, int16_t *to, unsigned n) {
    (void)x, (void)entry, (void)to, (void)n;
    __asm__ volatile(".syntax unified\n" START
                     "1:\n ldrsh r6, [r0, r4]\n ldrh r7, [r1]\n subs r1, #2\n"
                     "lsls r3, r7, #16\n asrs r3, #29\n lsls r7, #19\n lsrs r7, #19\n adds r7, r3\n" MULTIPLY);
}
#endif
