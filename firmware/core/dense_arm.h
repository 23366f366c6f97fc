// SPDX-License-Identifier: MIT
// CONV_2D on Arm: patches of the input, each multiplied with every row of the weights.
#ifndef TW_DENSE_ARM_H
#define TW_DENSE_ARM_H

#include "ops.h"

typedef struct {
    const tw_conv_t *p;
    uint32_t row; // tw_row_bytes of the taps; rows of weights are 4-byte aligned
    const int8_t *x;
    bool whole; // a patch that is all inside the input lies there in one piece, as whole words
    bool flat;  // and a patch is a pixel, in the same order
} tw_dense_t;

// Taps of one axis of a kernel, from 0 to before `end`; of those, from `in` to before `out` lie inside the input.
typedef struct {
    int32_t in, out, end;
    int32_t start; // where tap 0 lies
} tw_axis_t;

tw_axis_t tw_dense_axis(int32_t start, int32_t size, int32_t kernel, int32_t dilation);

// Returns patch number `pixel`, `row` bytes, 4-byte aligned; those behind the last tap may be anything. It may be written to
// `room`, which is as large.
const int8_t *tw_dense_patch(const tw_dense_t *d, uint32_t pixel, int8_t *room);

// Whether tw_dense_run can do it.
bool tw_dense_fits(const tw_dense_t *d);

// y [pixels][units], in groups of pixels whose patches are all read before any of them is written.
void tw_dense_run(const tw_dense_t *d, uint32_t pixels, int8_t *y);

#endif
