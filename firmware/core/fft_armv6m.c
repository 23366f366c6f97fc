// SPDX-License-Identifier: MIT
// The FFT's arithmetic, instruction by instruction that of fft.c.
#include "arch.h"

#if TW_ARMV6M
#include "frontend_stages.h"

// Index and place trade their base-4 digits. In r1 the index, in r2 the place, in r7 that of every fourth index.
__attribute__((naked, noinline)) static void reorder(tw_complex_t *x) {
    (void)x;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r7, lr}\n movs r1, #0\n movs r7, #0\n movs r6, #1\n lsls r6, #8\n"
                     "1:\n movs r2, r7\n"
                     "2:\n cmp r1, r2\n bhs 3f\n"
                     "ldr r4, [r0, r1]\n ldr r5, [r0, r2]\n str r4, [r0, r2]\n str r5, [r0, r1]\n"
                     "3:\n adds r1, #4\n adds r2, r6\n lsrs r3, r2, #10\n beq 2b\n"
                     // A digit that reaches 4 is carried to the one on its right.
                     "adds r7, #64\n lsls r3, r7, #23\n bpl 1b\n subs r7, #240\n lsls r3, r7, #25\n bpl 1b\n"
                     "subs r7, #60\n cmp r7, #16\n bne 1b\n pop {r4-r7, pc}\n");
}

// The rest is one function: r8 is 2^14 throughout, r9 to r12 and lr are what a step says of them. On the stack: twiddle
// factors of b, c, d (0..23), x (24), end of x (28), sine (32), turn in 1/1024 (36), its step (40), a quarter (44).
#define BEGIN                                                                                                       \
    TW_SAVE "sub sp, #48\n"         \
    "str r1, [sp, #32]\n movs r3, #1\n lsls r3, #14\n mov r8, r3\n"
#define END                                                                                                         \
    "add sp, #48\n" TW_RESTORE

#define SCALE(x, by) "muls " x ", " by "\n add " x ", r8\n asrs " x ", #15\n" // rounded x * by / 2^15
#define SPLIT(word, re, im) "sxth " re ", " word "\n asrs " im ", " word ", #16\n"
#define LOAD(word, re, im) SPLIT(word, re, im) SCALE(re, "r1") SCALE(im, "r1")

// Butterflies of four neighbours, without rotation, of x in r0 times r2. 84 cycles each.
#define FIRST_JOIN                                                                                                  \
    "movs r1, #1\n lsls r1, #10\n adds r1, r0\n mov r12, r1\n movs r1, r2\n"                          \
    "1:\n ldmia r0!, {r2-r5}\n subs r0, #16\n" LOAD("r3", "r6", "r7") LOAD("r5", "r3", "r5")                        \
    "mov r9, r3\n subs r3, r6, r3\n add r6, r9\n"   /* b.re - d.re, b.re + d.re */                                  \
    "mov r10, r5\n subs r5, r7, r5\n add r7, r10\n" /* b.im - d.im, b.im + d.im */                                  \
    "mov r9, r6\n mov r10, r7\n mov r11, r3\n mov lr, r5\n" LOAD("r2", "r6", "r2") LOAD("r4", "r7", "r4")           \
    "adds r3, r6, r7\n subs r6, r7\n adds r5, r2, r4\n subs r2, r4\n" /* a + c, a - c */                            \
    "mov r7, r9\n adds r4, r3, r7\n strh r4, [r0]\n subs r3, r7\n strh r3, [r0, #8]\n"                              \
    "mov r7, r10\n adds r4, r5, r7\n strh r4, [r0, #2]\n subs r5, r7\n strh r5, [r0, #10]\n"                        \
    "mov r7, lr\n adds r4, r6, r7\n strh r4, [r0, #4]\n subs r6, r7\n strh r6, [r0, #12]\n"                         \
    "mov r7, r11\n subs r4, r2, r7\n strh r4, [r0, #6]\n adds r2, r7\n strh r2, [r0, #14]\n"                        \
    "adds r0, #16\n cmp r0, r12\n bne 1b\n"

// Scales what lies a span behind r0 and rotates it by the next of the twiddle factors at r7: to r6, r3. 30 cycles.
#define ROTATE                                                                                                      \
    "add r0, r9\n ldr r2, [r0]\n" LOAD("r2", "r3", "r2")                                                            \
    "ldmia r7!, {r4, r5}\n movs r6, r3\n muls r6, r4\n muls r3, r5\n muls r5, r2\n muls r2, r4\n"                   \
    "subs r6, r5\n adds r3, r2\n add r6, r8\n add r3, r8\n asrs r6, #15\n asrs r3, #15\n"

// Joins with a span of r9 bytes. x and its end are on the stack. 146 cycles a butterfly.
#define BUTTERFLIES                                                                                                 \
    "2:\n ldr r1, [sp, #44]\n mov r7, sp\n"                                                                         \
    ROTATE "mov r12, r6\n mov lr, r3\n" ROTATE "mov r10, r6\n mov r11, r3\n" ROTATE                                 \
    "mov r4, r12\n adds r5, r4, r6\n subs r2, r4, r6\n"           /* b.re + d.re, b.re - d.re */                    \
    "mov r4, lr\n adds r6, r4, r3\n subs r3, r4, r3\n"            /* b.im + d.im, b.im - d.im */                    \
    "ldr r0, [r7]\n ldr r4, [r0]\n" LOAD("r4", "r7", "r4")                                                          \
    "mov r1, r10\n subs r1, r7, r1\n mov r12, r1\n add r7, r10\n" /* a.re - c.re, a.re + c.re */                    \
    "mov r1, r11\n subs r1, r4, r1\n mov lr, r1\n add r4, r11\n"  /* a.im - c.im, a.im + c.im */                    \
    "adds r1, r7, r5\n strh r1, [r0]\n subs r7, r5\n adds r1, r4, r6\n strh r1, [r0, #2]\n subs r4, r6\n"           \
    "add r0, r9\n mov r1, r12\n adds r5, r1, r3\n strh r5, [r0]\n subs r1, r3\n"                                    \
    "mov r6, lr\n subs r5, r6, r2\n strh r5, [r0, #2]\n adds r6, r2\n"                                              \
    "add r0, r9\n strh r7, [r0]\n strh r4, [r0, #2]\n add r0, r9\n strh r1, [r0]\n strh r6, [r0, #2]\n"             \
    "add r0, r9\n str r0, [sp, #24]\n ldr r1, [sp, #28]\n cmp r0, r1\n bne 2b\n"

// Three twiddle factors, of the turn in r1 and of two and three times it.
#define TWIDDLES                                                                                                    \
    "mov r2, sp\n ldr r3, [sp, #32]\n movs r7, #1\n lsls r7, #8\n lsls r0, r1, #1\n"                                \
    "ldrsh r6, [r3, r1]\n subs r4, r7, r1\n ldrsh r5, [r3, r4]\n negs r6, r6\n stmia r2!, {r5, r6}\n"               \
    "3:\n uxtb r4, r0\n ldrsh r6, [r3, r4]\n subs r4, r7, r4\n ldrsh r5, [r3, r4]\n negs r6, r6\n"                  \
    "lsrs r4, r0, #8\n beq 5f\n subs r4, #1\n beq 4f\n negs r5, r5\n negs r6, r6\n b 5f\n"                          \
    "4:\n negs r4, r5\n movs r5, r6\n movs r6, r4\n"                                                                \
    "5:\n stmia r2!, {r5, r6}\n adds r0, r1\n add r4, sp, #24\n cmp r2, r4\n bne 3b\n"

// The joins with spans of 4, 16 and 64, of x that ends at r0. The first turn of each is none.
#define OTHER_JOINS                                                                                                 \
    "mov r3, r8\n lsrs r1, r3, #4\n subs r0, r1\n lsrs r3, #1\n subs r3, #1\n str r3, [sp, #44]\n"   \
    "movs r1, #16\n mov r9, r1\n movs r1, #64\n str r1, [sp, #40]\n"                                                \
    "1:\n movs r6, #0\n str r6, [sp, #36]\n mov r5, r8\n lsls r5, #1\n"                               \
    "mov r2, sp\n stmia r2!, {r5, r6}\n stmia r2!, {r5, r6}\n stmia r2!, {r5, r6}\n str r0, [sp, #24]\n"            \
    "movs r1, #1\n lsls r1, #10\n adds r1, r0\n str r1, [sp, #28]\n" BUTTERFLIES                                    \
    "adds r0, #4\n str r0, [sp, #28]\n movs r1, #1\n lsls r1, #10\n subs r0, r1\n str r0, [sp, #24]\n"              \
    "ldr r1, [sp, #36]\n ldr r2, [sp, #40]\n adds r1, r2\n str r1, [sp, #36]\n lsrs r2, r1, #8\n bne 6f\n" TWIDDLES \
    "ldr r0, [sp, #24]\n b 2b\n"                                                                                    \
    "6:\n mov r1, r9\n subs r0, r1\n lsls r1, #2\n mov r9, r1\n ldr r2, [sp, #40]\n lsrs r2, #2\n str r2, [sp, #40]\n" \
    "lsrs r1, #10\n bne 7f\n b 1b\n 7:\n"

// Of x in r0. In r9 sine - x / 2, in r12 128 entries less: 2 bytes of sine go with 4 of x. In lr a half. 77 cycles
// each.
#define SEPARATE                                                                                                    \
    "mov r3, r8\n subs r3, #1\n mov lr, r3\n ldr r3, [sp, #32]\n lsrs r2, r0, #1\n subs r3, r2\n"       \
    "mov r9, r3\n subs r3, #128\n subs r3, #128\n mov r12, r3\n"                                                    \
    "movs r1, #255\n lsls r1, #2\n adds r1, r0\n adds r0, #4\n"                                                     \
    "1:\n ldr r2, [r0]\n ldr r3, [r1]\n mov r7, lr\n"                                                               \
    SPLIT("r2", "r4", "r2") SPLIT("r3", "r5", "r3") "negs r3, r3\n sxth r3, r3\n"                                   \
    SCALE("r4", "r7") SCALE("r2", "r7") SCALE("r5", "r7") SCALE("r3", "r7")                                         \
    "subs r6, r4, r5\n adds r4, r5\n mov r10, r4\n" /* odd.re, even.re */                                           \
    "subs r5, r2, r3\n adds r2, r3\n mov r11, r2\n" /* odd.im, even.im */                                           \
    "movs r2, #0\n lsrs r7, r0, #1\n add r7, r9\n ldrsh r3, [r7, r2]\n"                                             \
    "lsrs r7, r1, #1\n add r7, r12\n ldrsh r4, [r7, r2]\n"                                                          \
    "movs r7, r6\n muls r7, r3\n muls r6, r4\n muls r4, r5\n muls r5, r3\n"                                         \
    "subs r4, r7\n add r4, r8\n asrs r4, #15\n sxth r4, r4\n"                                                       \
    "adds r6, r5\n mov r5, r8\n subs r5, r6\n asrs r5, #15\n sxth r5, r5\n"                                         \
    "mov r2, r10\n adds r3, r2, r4\n subs r2, r4\n asrs r3, #1\n asrs r2, #1\n"                                     \
    "mov r4, r11\n adds r6, r4, r5\n subs r4, r5, r4\n asrs r6, #1\n asrs r4, #1\n"                                 \
    "muls r3, r3\n muls r6, r6\n adds r3, r6\n str r3, [r0]\n"                                                      \
    "muls r2, r2\n muls r4, r4\n adds r2, r4\n str r2, [r1]\n"                                                      \
    "adds r0, #4\n subs r1, #4\n cmp r0, r1\n bls 1b\n"

__attribute__((naked, noinline)) static void transform(tw_complex_t *x, const int16_t *sine, int32_t factor) {
    (void)x, (void)sine, (void)factor;
    __asm__ volatile(".syntax unified\n" BEGIN
                     "first_join:\n" FIRST_JOIN
                     "other_joins:\n" OTHER_JOINS
                     "separate:\n" SEPARATE END);
}

void tw_fft_apply(tw_frontend_t *fe, unsigned shift) {
    reorder(fe->work.bins);
    transform(fe->work.bins, fe->sine, 32767 / 4 << shift);
}
#endif
