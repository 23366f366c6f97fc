// SPDX-License-Identifier: MIT
// CONV_2D, reference: y = clamp(requant(bias + sum w * (x - in_zero)) + out_zero).
#include "fixed.h"
#include "ops.h"

static int32_t accumulate(const tw_conv_t *p, const int8_t *x, const int8_t *weights, int32_t top, int32_t left) {
    uint32_t acc = 0;
    for (int32_t ky = 0; ky < p->kernel_h; ++ky) {
        const int32_t iy = top + ky * p->dilation_h;
        if (iy < 0 || iy >= p->in.h) {
            continue; // padding is the zero point: it adds nothing
        }
        for (int32_t kx = 0; kx < p->kernel_w; ++kx) {
            const int32_t ix = left + kx * p->dilation_w;
            if (ix < 0 || ix >= p->in.w) {
                continue;
            }
            const int8_t *xs = x + ((size_t)iy * p->in.w + (size_t)ix) * p->in.c;
            const int8_t *ws = weights + ((size_t)ky * p->kernel_w + (size_t)kx) * p->in.c;
            for (uint32_t c = 0; c < p->in.c; ++c) {
                acc += (uint32_t)(ws[c] * (xs[c] - p->in.zero_point));
            }
        }
    }
    return (int32_t)acc;
}

void tw_conv2d_s8(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const size_t filter = (size_t)p->kernel_h * p->kernel_w * p->in.c;
    for (int32_t oy = 0; oy < p->out.h; ++oy) {
        const int32_t top = oy * p->stride_h - p->pad_top;
        for (int32_t ox = 0; ox < p->out.w; ++ox) {
            const int32_t left = ox * p->stride_w - p->pad_left;
            for (uint32_t oc = 0; oc < p->out.c; ++oc) {
                int32_t acc = accumulate(p, x, p->weights + oc * filter, top, left);
                acc = tw_fixed_add(acc, p->bias[oc]);
                acc = tw_fixed_requant(acc, p->requant.multiplier[oc], p->requant.shift[oc]);
                acc = tw_fixed_add(acc, p->out.zero_point);
                *y++ = (int8_t)tw_fixed_clamp(acc, p->act_min, p->act_max);
            }
        }
    }
}
