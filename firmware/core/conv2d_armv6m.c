// SPDX-License-Identifier: MIT
// CONV_2D on armv6m: what a pixel reads is brought together, then multiplied with every row of weights.
#include "arch.h"

#if TW_ARMV6M
#include "dense_armv6m.h"

#include <string.h>

// Whether a patch that is all inside the input lies there in one piece, as whole words.
static bool in_one_piece(const tw_conv_t *p, const int8_t *x) {
    return (p->kernel_h == 1 || (p->kernel_w == p->in.w && p->dilation_h == 1)) &&
           (p->kernel_w == 1 || p->dilation_w == 1) && p->in.c % 4 == 0 && (uintptr_t)x % 4 == 0;
}

typedef struct {
    const tw_conv_t *p;
    const int8_t *x;
    bool whole; // in_one_piece
    bool flat;  // and a patch is a pixel, in the same order
} source_t;

// `taps` neighbours from column ix on, of row iy; returns what is behind them.
static int8_t *run(const source_t *s, int32_t iy, int32_t ix, int32_t taps, int8_t *to) {
    const tw_conv_t *p = s->p;
    const int32_t c = p->in.c, first = ix < 0 ? -ix : 0, end = ix + taps > p->in.w ? p->in.w - ix : taps;
    const int32_t inside = iy < 0 || iy >= p->in.h ? 0 : end - first;
    if (inside < taps) {
        memset(to, p->in.zero_point, (size_t)(taps * c));
    }
    if (inside > 0) {
        memcpy(to + first * c, s->x + (iy * p->in.w + ix + first) * c, (size_t)(inside * c));
    }
    return to + taps * c;
}

static const int8_t *gather(const void *from, uint32_t pixel, int8_t *room) {
    const source_t *s = from;
    const tw_conv_t *p = s->p;
    if (s->flat) {
        return s->x + pixel * p->in.c;
    }
    const uint32_t oy = pixel / p->out.w, ox = pixel - oy * p->out.w;
    const int32_t top = (int32_t)(oy * p->stride_h) - p->pad_top, left = (int32_t)(ox * p->stride_w) - p->pad_left;
    if (s->whole && top >= 0 && left >= 0 && top + (p->kernel_h - 1) * p->dilation_h < p->in.h &&
        left + p->kernel_w <= p->in.w) {
        return s->x + (top * p->in.w + left) * p->in.c;
    }
    const bool dense = p->dilation_w == 1;
    const int32_t taps = dense ? p->kernel_w : 1; // in one run
    int8_t *to = room;
    for (int32_t ky = 0; ky < p->kernel_h; ++ky) {
        const int32_t iy = top + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->kernel_w; kx += taps) {
            to = run(s, iy, left + kx * p->dilation_w, taps, to);
        }
    }
    return room;
}

void tw_conv2d_armv6m(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const bool whole = in_one_piece(p, x);
    const source_t source = {p, x, whole,
        whole && p->kernel_h == 1 && p->kernel_w == 1 && p->stride_h == 1 && p->stride_w == 1 && p->out.w == p->in.w};
    const tw_dense_t d = {p->weights, p->bias, p->requant, tw_row_bytes((uint32_t)p->kernel_h * p->kernel_w * p->in.c),
        p->out.c, 1, p->out.zero_point, p->act_min, p->act_max, p->help, gather, &source};
    const uint32_t pixels = (uint32_t)p->out.h * p->out.w;
    if (tw_dense_fits(&d, pixels)) {
        tw_dense_run(&d, pixels, y);
    } else {
        tw_conv2d_s8(p, x, y);
    }
}
#endif
