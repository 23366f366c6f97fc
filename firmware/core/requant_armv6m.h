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

// One channel's, as the assembly wants it in registers.
typedef struct {
    int32_t bytes[4];     // of the multiplier
    int32_t addend;       // of the sum once it is multiplied and divided by 2^24
    const int32_t *end;   // of the sums
    uint32_t right, span; // last shift; act_max + 128
    uint32_t columns;     // of n sums; how many bytes lie between two
    uint32_t sums_skip;
    int32_t y_skip; // and from behind a column's outputs to the next
    uint32_t pitch; // bytes of a column with them
    const tw_step_t *step;
    bool narrow; // whether all this may be used
} tw_channel_t;

// For one column. The step stays where it is until the channel has run.
void tw_channel_prepare(tw_channel_t *c, const tw_step_t *step);

// n sums of each column, at least 1: y[0], y[stride], ...
void tw_channel_run(tw_channel_t *c, const int32_t *sums, uint32_t n, int8_t *y, uint32_t stride);

// One sum each of n channels, whose multipliers and shifts follow each other: y[0..n-1].
void tw_requant_channels(const tw_step_t *step, const int32_t *sums, uint32_t n, int8_t *y);

#endif
