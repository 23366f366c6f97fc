// SPDX-License-Identifier: MIT
#include "move.h"

#if TW_ARMV6M
__attribute__((used)) TW_ASSEMBLY void tw_save(void) {
    __asm__ volatile("mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n bx lr\n");
}

__attribute__((used)) TW_ASSEMBLY void tw_restore(void) {
    __asm__ volatile("pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4-r7, pc}\n");
}

#define BLOCK "ldmia r1!, {r3-r6}\n stmia r0!, {r3-r6}\n"

// Words upwards, 16 at a time where there are as many; `end` is behind the last one. 45 cycles for 64 bytes, 7 for others' 4.
TW_ASSEMBLY static void move_up(void *to, const void *from, const void *end) {
    (void)to, (void)from, (void)end;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r6, lr}\n"
                     "1:\n subs r3, r2, r1\n cmp r3, #64\n blo 2f\n" BLOCK BLOCK BLOCK BLOCK "b 1b\n"
                     "2:\n cmp r1, r2\n beq 3f\n ldmia r1!, {r3}\n stmia r0!, {r3}\n b 2b\n"
                     "3:\n pop {r4-r6, pc}\n");
}

// `count` bytes, in words downwards. 7 cycles each.
TW_ASSEMBLY static void move_down(void *to, const void *from, size_t count) {
    (void)to, (void)from, (void)count;
    __asm__ volatile(".syntax unified\n"
                     "1:\n subs r2, #4\n ldr r3, [r1, r2]\n str r3, [r0, r2]\n bne 1b\n bx lr\n");
}

// Upwards, unless the destination lies in what is still to be read.
void tw_move(void *to, const void *from, size_t count) {
    char *y = to;
    const char *x = from;
    if (count >= 16 && ((uintptr_t)y | (uintptr_t)x) % 4 == 0) {
        const size_t words = count & ~(size_t)3;
        if ((uintptr_t)y - (uintptr_t)x >= count) {
            move_up(y, x, x + words);
            y += words;
            x += words;
            count %= 4;
        } else if (count == words) {
            move_down(y, x, count);
            count = 0;
        }
    }
    if (count) {
        memmove(y, x, count);
    }
}
#endif
