// SPDX-License-Identifier: MIT
// CONV_2D on armv7em: what a pixel reads is brought together, then multiplied with every row of weights.
#include "arch.h"

#if TW_ARMV7EM
#include "dense_armv7em.h"

typedef struct {
    const tw_conv_t *p;
    const int8_t *x;
    bool whole; // a patch that is all inside the input lies there in one piece
} source_t;

// memcpy, without a call for the few bytes of a tap; returns what is behind them.
static int8_t *copy(int8_t *to, const int8_t *from, int32_t count) {
    for (; count >= 4; count -= 4, to += 4, from += 4) {
        const uint32_t four = tw_four(from);
        memcpy(to, &four, 4);
    }
    for (; count > 0; --count) {
        *to++ = *from++;
    }
    return to;
}

static int8_t *put(int8_t *to, int8_t value, int32_t count) {
    for (; count > 0; --count) {
        *to++ = value;
    }
    return to;
}

// `taps` neighbours from column ix on, of a row of the input, NULL: outside; returns what is behind them.
static int8_t *run(const tw_conv_t *p, const int8_t *row, int32_t ix, int32_t taps, int8_t *to) {
    const int8_t zero = (int8_t)p->in.zero_point;
    const int32_t c = p->in.c, begin = ix < 0 ? 0 : ix, end = ix + taps > p->in.w ? p->in.w : ix + taps;
    if (row == NULL || end <= begin) {
        return put(to, zero, taps * c);
    }
    to = put(to, zero, (begin - ix) * c);
    to = copy(to, row + begin * c, (end - begin) * c);
    return put(to, zero, (ix + taps - end) * c);
}

static const int8_t *gather(const void *from, uint32_t pixel, int8_t *room) {
    const source_t *s = from;
    const tw_conv_t *p = s->p;
    const uint32_t oy = pixel / p->out.w, ox = pixel - oy * p->out.w;
    const int32_t top = (int32_t)(oy * p->stride_h) - p->pad_top, left = (int32_t)(ox * p->stride_w) - p->pad_left;
    const int32_t row_bytes = p->in.w * p->in.c;
    const int8_t *row = s->x + top * row_bytes;
    const bool dense = p->dilation_w == 1, middle = dense && left >= 0 && left + p->kernel_w <= p->in.w;
    if (s->whole && left >= 0 && left + p->kernel_w <= p->in.w && top >= 0 &&
        top + (p->kernel_h - 1) * p->dilation_h < p->in.h) {
        return row + left * p->in.c;
    }
    const int32_t taps = dense ? p->kernel_w : 1; // in one run
    int8_t *to = room;
    for (int32_t ky = 0, iy = top; ky < p->kernel_h; ++ky, iy += p->dilation_h, row += p->dilation_h * row_bytes) {
        const bool inside = iy >= 0 && iy < p->in.h;
        if (inside && middle) {
            to = copy(to, row + left * p->in.c, taps * p->in.c);
            continue;
        }
        for (int32_t kx = 0; kx < p->kernel_w; kx += taps) {
            to = run(p, inside ? row : NULL, left + kx * p->dilation_w, taps, to);
        }
    }
    return room;
}

// Whether patches lie in the input as they are: one of them in one piece, and none reaching beyond its edges.
static bool needs_no_room(const tw_conv_t *p, bool whole) {
    return whole && p->pad_top == 0 && p->pad_left == 0 &&
           (p->out.h - 1) * p->stride_h + (p->kernel_h - 1) * p->dilation_h < p->in.h &&
           (p->out.w - 1) * p->stride_w + p->kernel_w <= p->in.w;
}

void tw_conv2d_armv7em(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const bool whole = (p->kernel_h == 1 || (p->kernel_w == p->in.w && p->dilation_h == 1)) &&
                       (p->kernel_w == 1 || p->dilation_w == 1);
    const source_t source = {p, x, whole};
    const uint32_t taps = (uint32_t)p->kernel_h * p->kernel_w * p->in.c;
    const tw_dense_t d = {p->weights, p->bias, taps, tw_row_bytes(taps), p->out.c,
        {p->requant, 1, p->out.zero_point, p->act_min, p->act_max, p->help.bounded}, p->help, gather, &source};
    if (tw_dense_roomy(&d) || needs_no_room(p, whole)) {
        tw_dense_run(&d, (uint32_t)p->out.h * p->out.w, y);
    } else {
        tw_conv2d_s8(p, x, y);
    }
}
#endif
