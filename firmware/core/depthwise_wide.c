// SPDX-License-Identifier: MIT
// DEPTHWISE_CONV_2D for vectors: a pixel's channels side by side, tap after tap.
#include "arch.h"

#ifdef TW_WIDE
#include "wide.h"

// Where the taps of a pixel begin.
typedef struct {
    const int8_t *x, *w;
    int32_t top, left;
} place_t;

// sums[0..n-1] = sum w * x.
TW_VECTOR
static void sum_up(const tw_conv_t *p, const place_t *at, uint32_t n, int32_t *restrict sums) {
    const int8_t *restrict w = at->w;
    for (int32_t ky = 0; ky < p->kernel_h; ++ky) {
        const int32_t iy = at->top + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->kernel_w; ++kx, w += p->out.c) {
            const int32_t ix = at->left + kx * p->dilation_w;
            const bool inside = iy >= 0 && iy < p->in.h && ix >= 0 && ix < p->in.w;
            const int8_t *x = inside ? at->x + ((size_t)iy * p->in.w + (size_t)ix) * p->in.c : NULL;
            for (uint32_t i = 0; i < n; ++i) {
                sums[i] = (int32_t)((uint32_t)sums[i] + (uint32_t)((x ? x[i] : p->in.zero_point) * w[i]));
            }
        }
    }
}

#ifdef TW_AVX2
// The same of 16 channels, whose sums stay in registers.
TW_AVX2 static void sum_up_16(const tw_conv_t *p, const place_t *at, int32_t *sums) {
    const int8_t *w = at->w;
    tw_8_words_t low = {0}, high = {0};
    const tw_16_bytes_t outside = (int8_t)p->in.zero_point - (tw_16_bytes_t){0};
    for (int32_t ky = 0; ky < p->kernel_h; ++ky) {
        const int32_t iy = at->top + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->kernel_w; ++kx, w += p->out.c) {
            const int32_t ix = at->left + kx * p->dilation_w;
            const bool inside = iy >= 0 && iy < p->in.h && ix >= 0 && ix < p->in.w;
            const int8_t *x = inside ? at->x + ((size_t)iy * p->in.w + (size_t)ix) * p->in.c : NULL;
            const tw_16_bytes_t xs = x ? *(const tw_16_bytes_t *)x : outside, ws = *(const tw_16_bytes_t *)w;
            // Each product is at most 2^14.
            const tw_16_shorts_t both =
                __builtin_convertvector(xs, tw_16_shorts_t) * __builtin_convertvector(ws, tw_16_shorts_t);
            low += __builtin_convertvector(__builtin_shufflevector(both, both, 0, 1, 2, 3, 4, 5, 6, 7), tw_8_words_t);
            high += __builtin_convertvector(__builtin_shufflevector(both, both, 8, 9, 10, 11, 12, 13, 14, 15), tw_8_words_t);
        }
    }
    *(tw_8_words_t *)sums = low;
    *(tw_8_words_t *)(sums + 8) = high;
}
#endif

static void run_pixel(const tw_conv_t *p, bool narrow, const place_t *tap, uint32_t first, uint32_t n, int8_t *y) {
    int32_t sums[TW_WIDE_CHANNELS] = {0};
    uint32_t done = 0;
    place_t at = {tap->x + first, tap->w + first, tap->top, tap->left};
#ifdef TW_AVX2
    for (; done + 16 <= n && __builtin_cpu_supports("avx2"); done += 16, at.x += 16, at.w += 16) {
        sum_up_16(p, &at, sums + done);
    }
#endif
    if (done < n) {
        sum_up(p, &at, n - done, sums + done);
    }
    tw_wide_requant(p, narrow, first, n, sums, y + first);
}

void tw_depthwise_wide(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const uint32_t channels = p->out.c;
    if (channels != p->in.c) {
        tw_depthwise_s8(p, x, y);
        return;
    }
    const bool narrow = tw_wide_narrow(p);
    for (int32_t oy = 0; oy < p->out.h; ++oy) {
        const int32_t top = oy * p->stride_h - p->pad_top;
        for (int32_t ox = 0; ox < p->out.w; ++ox, y += channels) {
            const place_t at = {x, (const int8_t *)p->weights, top, ox * p->stride_w - p->pad_left};
            for (uint32_t c = 0; c < channels; c += TW_WIDE_CHANNELS) {
                run_pixel(p, narrow, &at, c, channels - c < TW_WIDE_CHANNELS ? channels - c : TW_WIDE_CHANNELS, y);
            }
        }
    }
}
#endif
