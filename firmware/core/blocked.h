// SPDX-License-Identifier: MIT
// For processors of 32 bits with a plain multiplication: sums of several outputs are kept in registers, so that what is
// loaded serves more than one of them.
#ifndef TW_BLOCKED_H
#define TW_BLOCKED_H

#include "arch.h"

#if TW_BLOCKED
#if defined(__GNUC__) && !defined(__clang__)
// Loops that a build for size leaves long, in the order that is written, which needs few registers.
#define TW_HOT __attribute__((optimize("O2,no-tree-reassoc,no-schedule-insns,no-ivopts,no-tree-pre"), noinline))
#else
#define TW_HOT
#endif
#define TW_IN_ORDER __asm__ volatile("" ::: "memory"); // no load is moved over it

#if !defined(TW_FEW_REGISTERS) // 16 of them, and a slow upper half of a product or none: defined as 1 by tests on other processors
#if defined(__xtensa__) || defined(__ARM_ARCH_7M__)
#define TW_FEW_REGISTERS 1
#else
#define TW_FEW_REGISTERS 0
#endif
#endif

#define TW_BLOCKED_UNITS 16 // whose sums are kept
#define TW_BLOCKED_ROOM 512 // bytes of the stack for elements, where the file has no more

// What makes outputs of sums.
typedef struct {
    const int32_t *bias;
    tw_requant_t requant;
    int32_t zero, act_min, act_max;
    bool bounded;     // tw_help_t
    bool per_channel; // else one multiplier and shift for all
} tw_outputs_t;

typedef struct {
    const uint32_t *sums; // of a channel's pixels, then the next one's
    uint32_t pixels, pitch; // of them; sums from one channel to the next
    uint32_t stride; // bytes from one pixel's outputs to the next one's
} tw_sums_t;

// y of the sums, without their biases, of n channels from `first` on.
void tw_blocked_outputs(const tw_outputs_t *o, uint32_t first, uint32_t n, const tw_sums_t *s, int8_t *y);

// Where the next element of a patch goes, and the sum of those before.
typedef struct {
    int16_t *at;
    uint32_t stride;
    int32_t sum;
} tw_patch_t;

// Takes n elements more: x[0], x[step], ...
void tw_patch_add(tw_patch_t *to, const int8_t *x, uint32_t step, uint32_t n);
#endif

#endif
