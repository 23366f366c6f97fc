// SPDX-License-Identifier: MIT
// The walk of CONV_2D and DEPTHWISE_CONV_2D over their output, which differ in what belongs together.
#ifndef TW_WINDOWS_H
#define TW_WINDOWS_H

#include "ops.h"

// y = clamp(requant(bias + sum w * x) + out_zero), pixel by pixel; x is the zero point outside the input.
void tw_windows_walk(const tw_conv_t *p, bool depthwise, const int8_t *x, int8_t *y);

#endif
