// SPDX-License-Identifier: MIT
// CONV_2D, reference: an output channel has a row of weights and reads all input channels.
#include "windows.h"

void tw_conv2d_s8(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    tw_windows_walk(p, false, x, y);
}
