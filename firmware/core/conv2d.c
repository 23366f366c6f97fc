// SPDX-License-Identifier: MIT
// CONV_2D, reference: an output channel has a row of weights and reads all input channels.
#include "windows.h"

void tw_conv2d_s8(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const uint32_t row = tw_row_bytes((uint32_t)p->kernel_h * p->kernel_w * p->in.c);
    const tw_windows_t s = {.run = p->in.c, .sharing = p->out.c, .tap = p->in.c, .channel = row, .sign = 0x80};
    tw_windows_walk(p, &s, x, y);
}
