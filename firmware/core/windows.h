// SPDX-License-Identifier: MIT
// The walk of CONV_2D and DEPTHWISE_CONV_2D over their output, which differ in what belongs together.
#ifndef TW_WINDOWS_H
#define TW_WINDOWS_H

#include "ops.h"

typedef struct {
    uint32_t run;           // input channels of one tap that an output channel reads
    uint32_t sharing;       // output channels that read the same ones; out.c: all of them
    uint32_t tap, channel;  // bytes from one tap's weights to the next one's, from one output channel's to the next one's
    uint8_t sign;           // what makes a weight's byte an int8: 0x80 where 128 was added, else 0
} tw_windows_t;

// y = clamp(requant(bias + sum w * x) + out_zero), pixel by pixel; x is the zero point outside the input.
void tw_windows_walk(const tw_conv_t *p, const tw_windows_t *s, const int8_t *x, int8_t *y);

#endif
