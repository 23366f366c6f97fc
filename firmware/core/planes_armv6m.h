// SPDX-License-Identifier: MIT
// A fast way for the most common DEPTHWISE_CONV_2D.
#ifndef TW_PLANES_ARMV6M_H
#define TW_PLANES_ARMV6M_H

#include "ops.h"

#define TW_PLANE_ROWS 5 // of output at a time, at most

// Whether it is 3 x 3 with steps of 1, no more than a row or column of taps ever lies outside the input on any side, and
// there is scratch for a strip and a channel's sums. Sums must be bounded, out.c be in.c.
bool tw_planes_fit(const tw_conv_t *p);

void tw_planes_run(const tw_conv_t *p, const int8_t *x, int8_t *y);

#endif
