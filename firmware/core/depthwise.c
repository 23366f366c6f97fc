// SPDX-License-Identifier: MIT
// DEPTHWISE_CONV_2D, reference: output channel oc reads input channel oc / multiplier.
#include "fixed.h"
#include "ops.h"

static int32_t accumulate(const tw_conv_t *p, const int8_t *x, const int8_t *weights, int32_t top, int32_t left) {
    uint32_t acc = 0;
    for (int32_t ky = 0; ky < p->kernel_h; ++ky) {
        const int32_t iy = top + ky * p->dilation_h;
        if (iy < 0 || iy >= p->in.h) {
            continue;
        }
        for (int32_t kx = 0; kx < p->kernel_w; ++kx) {
            const int32_t ix = left + kx * p->dilation_w;
            if (ix < 0 || ix >= p->in.w) {
                continue;
            }
            const int32_t value = x[((size_t)iy * p->in.w + (size_t)ix) * p->in.c] - p->in.zero_point;
            const int32_t weight = weights[((size_t)ky * p->kernel_w + (size_t)kx) * p->out.c];
            acc += (uint32_t)(weight * value);
        }
    }
    return (int32_t)acc;
}

void tw_depthwise_s8(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const uint32_t depth_multiplier = (uint32_t)p->out.c / p->in.c;
    for (int32_t oy = 0; oy < p->out.h; ++oy) {
        const int32_t top = oy * p->stride_h - p->pad_top;
        for (int32_t ox = 0; ox < p->out.w; ++ox) {
            const int32_t left = ox * p->stride_w - p->pad_left;
            uint32_t oc = 0;
            for (uint32_t ic = 0; ic < p->in.c; ++ic) {
                for (uint32_t m = 0; m < depth_multiplier; ++m, ++oc) {
                    int32_t acc = accumulate(p, x + ic, p->weights + oc, top, left);
                    acc = tw_fixed_add(acc, p->bias[oc]);
                    acc = tw_fixed_requant(acc, p->requant.multiplier[oc], p->requant.shift[oc]);
                    acc = tw_fixed_add(acc, p->out.zero_point);
                    *y++ = (int8_t)tw_fixed_clamp(acc, p->act_min, p->act_max);
                }
            }
        }
    }
}
