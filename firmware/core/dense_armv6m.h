// SPDX-License-Identifier: MIT
// What CONV_2D and FULLY_CONNECTED share on armv6m: patches of the input, each multiplied with every row of the weights.
#ifndef TW_DENSE_ARMV6M_H
#define TW_DENSE_ARMV6M_H

#include "ops.h"

typedef struct {
    const uint8_t *weights; // [units][row], rows 4-byte aligned
    const int32_t *bias;
    tw_requant_t requant;
    uint32_t row; // tw_row_bytes of the taps
    uint32_t units;
    uint32_t per_channel; // 1: a multiplier and shift a unit; 0: one for all
    int32_t out_zero, act_min, act_max;
    tw_help_t help;
    // Returns patch number `pixel`, `row` bytes, 4-byte aligned; those behind the last tap may be anything. It may be
    // written to `room`, which is as large.
    const int8_t *(*patch)(const void *from, uint32_t pixel, int8_t *room);
    const void *from;
} tw_dense_t;

// Whether tw_dense_run can do it: weights and sums are bounded, there is enough scratch and more than a few units.
bool tw_dense_fits(const tw_dense_t *d, uint32_t pixels);

// y [pixels][units], in groups of pixels whose patches are all read before any of them is written.
void tw_dense_run(const tw_dense_t *d, uint32_t pixels, int8_t *y);

#endif
