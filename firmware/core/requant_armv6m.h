// SPDX-License-Identifier: MIT
// Requantisation on armv6m. Where a shift -s lies in TW_BOUND_SHIFT..-1, the sum is within +-2^23 and the two roundings are
// one: floor((sum * m + 2^30 + 2^31 * (2^(s-1) - (sum < 0))) / 2^(31+s)). It is taken byte by byte of the multiplier m, in
// 32 bits, each time dropping 8 bits that no longer count. Sums of other shifts go through tw_fixed_requant.
#ifndef TW_REQUANT_ARMV6M_H
#define TW_REQUANT_ARMV6M_H

#include "ops.h"

// What makes outputs of sums.
typedef struct {
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t zero, act_min, act_max;
} tw_step_t;

// One sum each of n channels, whose multipliers and shifts follow each other: y[0..n-1].
void tw_requant_channels(const tw_step_t *step, const int32_t *sums, uint32_t n, int8_t *y);

#endif
