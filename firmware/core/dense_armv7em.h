// SPDX-License-Identifier: MIT
// What CONV_2D and FULLY_CONNECTED share on armv7em: patches of the input, each multiplied with every row of the weights.
#ifndef TW_DENSE_ARMV7EM_H
#define TW_DENSE_ARMV7EM_H

#include "dsp_armv7em.h"

typedef struct {
    const uint8_t *weights; // [units][row], rows 4-byte aligned
    const int32_t *bias;
    uint32_t taps, row; // row: tw_row_bytes of the taps
    uint32_t units;
    tw_outputs_t outputs;
    tw_help_t help;
    // Returns patch number `pixel`, `taps` bytes from anywhere. It may be written to `room`, which has a row; where there is
    // no room, it is NULL.
    const int8_t *(*patch)(const void *from, uint32_t pixel, int8_t *room);
    const void *from;
} tw_dense_t;

// y [pixels][units], in groups of pixels whose patches are all read before any of them is written.
void tw_dense_run(const tw_dense_t *d, uint32_t pixels, int8_t *y);

// Whether there is room for a patch.
bool tw_dense_roomy(const tw_dense_t *d);

// sum + x . w, of the weights in a row.
int32_t tw_dense_dot(const int8_t *x, const uint8_t *w, uint32_t taps, int32_t sum);

#endif
