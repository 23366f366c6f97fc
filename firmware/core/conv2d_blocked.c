// SPDX-License-Identifier: MIT
// CONV_2D in blocks: what a few pixels read is brought together, then multiplied with every row of weights. Those are bytes,
// each 128 too much: 128 * the sum of what a pixel reads is taken off where its sums start.
#include "blocked.h"

#if TW_BLOCKED
#include <string.h>

#define UNITS 4
#if TW_FEW_REGISTERS
#define PIXELS 2
#else
#define PIXELS 3
#endif

typedef struct {
    const tw_conv_t *p;
    const int8_t *x;
    uint32_t row; // tw_row_bytes of the taps
    tw_outputs_t out;
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

static void add_window(const image_t *s, uint32_t pixel, tw_patch_t *to) {
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

typedef struct {
    const uint8_t *weights; // of the first unit
    uint32_t row, units;    // at least UNITS; of the last ones some are computed twice
    const int16_t *x;
    uint32_t start[PIXELS]; // of every sum of a pixel
} product_t;

// Where the next group of units begins, behind that at c.
static inline uint32_t next_group(uint32_t c, uint32_t group, uint32_t units) {
    return c + 2 * group > units && c + group < units ? units - group : c + group;
}

// sums[unit] = start + w . x of a single pixel.
TW_HOT static void dot_pixel(const product_t *p, uint32_t *sums) {
    for (uint32_t c = 0; c < p->units; c = next_group(c, UNITS, p->units)) {
        const uint8_t *w0 = p->weights + c * p->row, *w1 = w0 + p->row, *w2 = w1 + p->row, *w3 = w2 + p->row, *end = w1;
        const int16_t *x = p->x;
        uint32_t a0 = p->start[0], a1 = a0, a2 = a0, a3 = a0;
        for (; w0 < end; x += 4, w0 += 4, w1 += 4, w2 += 4, w3 += 4) {
#define TAP(i)                                                                                                      \
    {                                                                                                               \
        const int32_t b = x[i];                                                                                     \
        a0 += (uint32_t)(w0[i] * b), a1 += (uint32_t)(w1[i] * b);                                                   \
        a2 += (uint32_t)(w2[i] * b), a3 += (uint32_t)(w3[i] * b);                                                   \
    }
            TAP(0) TW_IN_ORDER TAP(1) TW_IN_ORDER TAP(2) TW_IN_ORDER TAP(3) TW_IN_ORDER
#undef TAP
        }
        sums[c] = a0, sums[c + 1] = a1, sums[c + 2] = a2, sums[c + 3] = a3;
    }
}

// sums[unit][pixel] = start[pixel] + w . x of PIXELS pixels, whose taps lie side by side.
TW_HOT static void dot_pixels(const product_t *p, uint32_t *sums) {
#if PIXELS == 3
    for (uint32_t c = 0; c < p->units; c = next_group(c, UNITS, p->units)) {
        const uint8_t *w0 = p->weights + c * p->row, *w1 = w0 + p->row, *w2 = w1 + p->row, *w3 = w2 + p->row, *end = w1;
        const int16_t *x = p->x;
        uint32_t a0 = p->start[0], a1 = p->start[1], a2 = p->start[2], b0 = a0, b1 = a1, b2 = a2;
        uint32_t c0 = a0, c1 = a1, c2 = a2, d0 = a0, d1 = a1, d2 = a2;
        for (; w0 < end; x += 6, w0 += 2, w1 += 2, w2 += 2, w3 += 2) {
#define UNIT(a, w)                                                                                                  \
    {                                                                                                               \
        const int32_t v = w;                                                                                        \
        a##0 += (uint32_t)(v * x0), a##1 += (uint32_t)(v * x1), a##2 += (uint32_t)(v * x2);                         \
    }
#define TAP(i)                                                                                                      \
    {                                                                                                               \
        const int32_t x0 = x[3 * i], x1 = x[3 * i + 1], x2 = x[3 * i + 2];                                          \
        UNIT(a, w0[i]) UNIT(b, w1[i]) UNIT(c, w2[i]) UNIT(d, w3[i])                                                 \
    }
            TAP(0) TW_IN_ORDER TAP(1) TW_IN_ORDER
        }
        uint32_t *to = sums + 3 * c;
        to[0] = a0, to[1] = a1, to[2] = a2, to[3] = b0, to[4] = b1, to[5] = b2;
        to[6] = c0, to[7] = c1, to[8] = c2, to[9] = d0, to[10] = d1, to[11] = d2;
    }
#else
    for (uint32_t c = 0; c < p->units; c = next_group(c, 2, p->units)) {
        const uint8_t *w0 = p->weights + c * p->row, *w1 = w0 + p->row, *end = w1;
        const int16_t *x = p->x;
        uint32_t a0 = p->start[0], a1 = p->start[1], b0 = a0, b1 = a1;
        for (; w0 < end; x += 8, w0 += 4, w1 += 4) {
#define TAP(i)                                                                                                      \
    {                                                                                                               \
        const int32_t x0 = x[2 * i], x1 = x[2 * i + 1], v0 = w0[i], v1 = w1[i];                                     \
        a0 += (uint32_t)(v0 * x0), a1 += (uint32_t)(v0 * x1), b0 += (uint32_t)(v1 * x0), b1 += (uint32_t)(v1 * x1); \
    }
            TAP(0) TW_IN_ORDER TAP(1) TW_IN_ORDER TAP(2) TW_IN_ORDER TAP(3) TW_IN_ORDER
        }
        uint32_t *to = sums + 2 * c;
        to[0] = a0, to[1] = a1, to[2] = b0, to[3] = b1;
    }
#endif
}

// n of PIXELS pixels, or a single one.
static void run_group(const image_t *s, uint32_t first, uint32_t n, int16_t *x, int8_t *y) {
    const uint32_t stride = n == 1 ? 1 : PIXELS, units = s->p->out.c;
    product_t product = {s->p->weights, s->row, 0, x, {0}}; // sums of pixels that are not there are never read
    memset(x, 0, 2 * stride * s->row); // behind the last taps
    for (uint32_t i = 0; i < n; ++i) {
        tw_patch_t patch = {x + i, stride, 0};
        add_window(s, first + i, &patch);
        product.start[i] = (uint32_t)(-128 * patch.sum);
    }
    uint32_t sums[TW_BLOCKED_UNITS * PIXELS];
    const tw_sums_t of = {sums, n, stride, units};
    for (uint32_t unit = 0; unit < units; unit += product.units) {
        const uint32_t left = units - unit, most = TW_BLOCKED_UNITS;
        product.units = left <= most ? left : left < most + UNITS ? most - UNITS : most;
        (n == 1 ? dot_pixel : dot_pixels)(&product, sums);
        tw_blocked_outputs(&s->out, unit, product.units, &of, y + unit);
        product.weights += product.units * s->row;
    }
}

// Groups of pixels: what they read is all read before any of them is written.
void tw_conv2d_blocked(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const image_t image = {p, x, tw_row_bytes((uint32_t)p->kernel_h * p->kernel_w * p->in.c),
        {p->bias, p->requant, p->out.zero_point, p->act_min, p->act_max, p->help.bounded, true}};
    int16_t own[TW_BLOCKED_ROOM / 2];
    const bool more = p->help.scratch_bytes > sizeof own;
    const uint32_t room = more ? p->help.scratch_bytes : sizeof own, most = 2 * PIXELS * image.row <= room ? PIXELS : 1;
    if (2 * image.row > room || p->out.c < UNITS) {
        tw_conv2d_s8(p, x, y);
        return;
    }
    const uint32_t pixels = (uint32_t)p->out.h * p->out.w;
    for (uint32_t pixel = 0, n; pixel < pixels; pixel += n, y += n * p->out.c) {
        n = pixels - pixel < most ? pixels - pixel : most;
        run_group(&image, pixel, n, more ? p->help.scratch : own, y);
    }
}
#endif
