// SPDX-License-Identifier: MIT
// A fast way for the most common DEPTHWISE_CONV_2D.
#ifndef TW_PLANES_ARMV7EM_H
#define TW_PLANES_ARMV7EM_H

#include "dsp_armv7em.h"

// Rows of output that are computed together, 0: this is none with 3 x 3 taps and steps of 1, or it lacks scratch.
uint32_t tw_planes_rows(const tw_conv_t *p);

// Returns whether it has done it: for that, every channel needs tw_outputs_scale.
bool tw_planes_run(const tw_conv_t *p, const tw_outputs_t *o, uint32_t rows, const int8_t *x, int8_t *y);

#endif
