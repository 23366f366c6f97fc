// SPDX-License-Identifier: MIT
// DEPTHWISE_CONV_2D, reference: output channel oc reads input channel oc / multiplier, and a tap has a row of weights.
#include "windows.h"

void tw_depthwise_s8(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    tw_windows_walk(p, true, x, y);
}
