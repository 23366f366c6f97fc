// SPDX-License-Identifier: MIT
// CONV_2D in blocks: what a pixel reads is brought together, then multiplied with every row of weights.
#include "blocked.h"

#if TW_BLOCKED
typedef struct {
    const tw_conv_t *p;
    const int8_t *x;
} image_t;

// `taps` neighbours from column ix on, of row iy.
static void add_neighbours(const image_t *s, int32_t iy, int32_t ix, int32_t taps, tw_patch_t *to) {
    const tw_conv_t *p = s->p;
    const int8_t zero = (int8_t)p->in.zero_point;
    for (int32_t n; taps > 0; taps -= n, ix += n) { // those outside, inside and outside
        const bool inside = (uint32_t)iy < p->in.h && (uint32_t)ix < p->in.w;
        const int32_t most = ix < 0 ? -ix : inside ? p->in.w - ix : taps;
        n = most < taps ? most : taps;
        const int8_t *x = inside ? s->x + ((size_t)iy * p->in.w + (size_t)ix) * p->in.c : &zero;
        tw_patch_add(to, x, inside, (uint32_t)n * p->in.c);
    }
}

static void add_window(const void *from, uint32_t pixel, tw_patch_t *to) {
    const image_t *s = from;
    const tw_conv_t *p = s->p;
    const uint32_t oy = pixel / p->out.w, ox = pixel - oy * p->out.w;
    const int32_t top = (int32_t)(oy * p->stride_h) - p->pad_top, left = (int32_t)(ox * p->stride_w) - p->pad_left;
    const int32_t taps = p->dilation_w == 1 ? p->kernel_w : 1; // in one piece
    for (int32_t ky = 0; ky < p->kernel_h; ++ky) {
        for (int32_t kx = 0; kx < p->kernel_w; kx += taps) {
            add_neighbours(s, top + ky * p->dilation_h, left + kx * p->dilation_w, taps, to);
        }
    }
}

void tw_conv2d_blocked(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const image_t image = {p, x};
    const tw_patches_t patches = {p->weights, tw_row_bytes((uint32_t)p->kernel_h * p->kernel_w * p->in.c), p->out.c,
        {p->bias, p->requant, p->out.zero_point, p->act_min, p->act_max, p->help.bounded, true}, p->help,
        add_window, &image};
    if (!tw_patches_run(&patches, (uint32_t)p->out.h * p->out.w, y)) {
        tw_conv2d_s8(p, x, y);
    }
}
#endif
