// SPDX-License-Identifier: MIT
// Which kernel of an operator runs on which processor. Siblings of a reference kernel give the same bytes; they are named
// after it and the processor, are empty files for any other, and fall back on it for what they do not know.
#ifndef TW_ARCH_H
#define TW_ARCH_H

#include "ops.h"

#if defined(__ARM_ARCH_6M__) // Cortex-M0, M0+
#define TW_ARMV6M 1
#else
#define TW_ARMV6M 0
#endif
#if defined(__ARM_FEATURE_DSP) && __ARM_ARCH_PROFILE == 'M' // Cortex-M4, M7, M33 and later
#define TW_ARMV7EM 1
#else
#define TW_ARMV7EM 0
#endif

#define TW_ASSEMBLY __attribute__((naked, noinline)) // a function of assembly, with AAPCS arguments

#if !defined(TW_BLOCKED) // what blocked.h is for; defined as 1 by tests on other processors
#if (defined(__riscv) && __riscv_xlen == 32) || defined(__xtensa__) || defined(__ARM_ARCH_7M__)
#define TW_BLOCKED 1
#else
#define TW_BLOCKED 0
#endif
#endif

// Those that there are, each on its processors only.
typedef void tw_conv_kernel_t(const tw_conv_t *p, const int8_t *x, int8_t *y);
typedef void tw_fully_connected_kernel_t(const tw_fully_connected_t *p, const int8_t *x, int8_t *y);
typedef void tw_part_kernel_t(const tw_fully_connected_part_t *p, const int8_t *x, uint32_t *sums, int8_t *y);
tw_conv_kernel_t tw_conv2d_wide, tw_conv2d_arm, tw_conv2d_blocked;
tw_conv_kernel_t tw_depthwise_wide, tw_depthwise_armv6m, tw_depthwise_armv7em, tw_depthwise_blocked;
tw_fully_connected_kernel_t tw_fully_connected_wide, tw_fully_connected_armv6m, tw_fully_connected_armv7em,
    tw_fully_connected_blocked;
tw_part_kernel_t tw_fully_connected_part_wide, tw_fully_connected_part_armv7em;

#if defined(TW_WIDE) // defined by builds for computers: vectors, and 16 kB of stack
#define TW_CONV2D tw_conv2d_wide
#define TW_DEPTHWISE tw_depthwise_wide
#define TW_FULLY_CONNECTED tw_fully_connected_wide
#define TW_FULLY_CONNECTED_PART tw_fully_connected_part_wide
#elif TW_ARMV6M
#define TW_CONV2D tw_conv2d_arm
#define TW_DEPTHWISE tw_depthwise_armv6m
#define TW_FULLY_CONNECTED tw_fully_connected_armv6m
// How a function of assembly begins, and ends, that changes r4 to r11.
void tw_save(void);
void tw_restore(void);
#define TW_SAVE "push {r4-r7, lr}\n bl tw_save\n"
#define TW_RESTORE "bl tw_restore\n"
#elif TW_BLOCKED
#define TW_CONV2D tw_conv2d_blocked
#define TW_DEPTHWISE tw_depthwise_blocked
#define TW_FULLY_CONNECTED tw_fully_connected_blocked
#elif TW_ARMV7EM
#define TW_CONV2D tw_conv2d_arm
#define TW_DEPTHWISE tw_depthwise_armv7em
#define TW_FULLY_CONNECTED tw_fully_connected_armv7em
#define TW_FULLY_CONNECTED_PART tw_fully_connected_part_armv7em
#else
#define TW_CONV2D tw_conv2d_s8
#define TW_DEPTHWISE tw_depthwise_s8
#define TW_FULLY_CONNECTED tw_fully_connected_s8
#endif
#ifndef TW_FULLY_CONNECTED_PART
#define TW_FULLY_CONNECTED_PART tw_fully_connected_part_s8
#endif

#endif
