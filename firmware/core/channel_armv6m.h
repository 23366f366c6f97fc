// SPDX-License-Identifier: MIT
// Requantisation on armv6m of many sums of one channel, by TW_BOUND_*. An output behind a ReLU (zero point and act_min are
// -128, act_max is 127) needs 8 of the product's bits, so one multiplication in 32 bits will do, of the sum and what is left
// of the multiplier when it is rounded to 23 - s bits: sums that are below 0 or large are clamped beforehand, and where what
// was rounded off could change the output, which is seen in the product's fraction, the sum is requantised exactly.
#ifndef TW_CHANNEL_ARMV6M_H
#define TW_CHANNEL_ARMV6M_H

#include "requant_armv6m.h"

// In the order in which the assembly reads it.
typedef struct {
    tw_step_t step;     // of the channel
    int32_t stride;     // bytes from an output to the next
    uint32_t bytes;     // of a column of sums, at least 4
    uint32_t columns;   // at least 1; between two of them
    uint32_t sums_skip; // so many bytes, and
    int32_t y_skip;     // so many from behind a column's outputs to the next
} tw_channel_t;

// Sums of a channel to its outputs y. For functions of assembly that begin with TW_SAVE, to be called last: it ends with
// TW_RESTORE.
void tw_channel_run(const tw_channel_t *c, const int32_t *sums, int8_t *y);

// What it leaves to others.
void tw_channel_general(const tw_channel_t *c, const int32_t *sums, int8_t *y);

#endif
