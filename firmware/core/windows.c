// SPDX-License-Identifier: MIT
#include "windows.h"

#include "fixed.h"

typedef struct {
    uint32_t run;           // input channels of one tap that an output channel reads
    uint32_t sharing;       // output channels that read the same ones; out.c: all of them
    uint32_t tap, channel;  // bytes from one tap's weights to the next one's, from one output channel's to the next one's
    uint8_t sign;           // what makes a weight's byte an int8: 0x80 where 128 was added, else 0
} windows_t;

static uint32_t window_sum(
    const tw_conv_t *p, const windows_t *s, const int8_t *x, const uint8_t *w, int32_t top, int32_t left) {
    uint32_t acc = 0;
    for (int32_t ky = 0; ky < p->kernel_h; ++ky) {
        const int32_t iy = top + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->kernel_w; ++kx, w += s->tap) {
            const int32_t ix = left + kx * p->dilation_w;
            const bool inside = iy >= 0 && iy < p->in.h && ix >= 0 && ix < p->in.w;
            const int8_t *xs = inside ? x + ((size_t)iy * p->in.w + (size_t)ix) * p->in.c : NULL;
            for (uint32_t c = 0; c < s->run; ++c) {
                acc += (uint32_t)((int8_t)(w[c] ^ s->sign) * (xs ? xs[c] : p->in.zero_point));
            }
        }
    }
    return acc;
}

void tw_windows_walk(const tw_conv_t *p, bool depthwise, const int8_t *x, int8_t *y) {
    windows_t s = {p->in.c, p->out.c, p->in.c, tw_row_bytes((uint32_t)p->kernel_h * p->kernel_w * p->in.c), 0x80};
    if (depthwise) {
        s = (windows_t){1, (uint32_t)p->out.c / p->in.c, p->out.c, 1, 0};
    }
    for (int32_t oy = 0; oy < p->out.h; ++oy) {
        const int32_t top = oy * p->stride_h - p->pad_top;
        for (int32_t ox = 0; ox < p->out.w; ++ox) {
            const int32_t left = ox * p->stride_w - p->pad_left;
            for (uint32_t oc = 0; oc < p->out.c; ++oc) {
                const uint32_t acc = window_sum(p, &s, x + oc / s.sharing, p->weights + (size_t)oc * s.channel, top, left);
                int32_t value = tw_fixed_add((int32_t)acc, p->bias[oc]);
                value = tw_fixed_requant(value, p->requant.multiplier[oc], p->requant.shift[oc]);
                value = tw_fixed_add(value, p->out.zero_point);
                *y++ = (int8_t)tw_fixed_clamp(value, p->act_min, p->act_max);
            }
        }
    }
}
