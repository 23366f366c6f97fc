// SPDX-License-Identifier: MIT
// DEPTHWISE_CONV_2D for vectors: a pixel's channels side by side, tap after tap.
#include "arch.h"

#ifdef TW_WIDE
#include "wide.h"

#include <string.h>

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
#define PAIRS 2048 // of weights of a channel's neighbouring taps
#define TAPS 64
#define FEW 4 // pixels, for which all this is not worth it

// What all pixels share: weights of two taps at a time, side by side for 16 channels, [channels / 16][taps / 2][16][2].
typedef struct {
    int16_t w[PAIRS][2];
    int8_t outside[PAIRS]; // a tap outside the input
    uint32_t pairs;        // of taps; an odd one goes with a weight of 0. 0: there is no room for all this
} laid_out_t;

static void lay_out_pairs(const tw_conv_t *p, laid_out_t *l) {
    const uint32_t taps = (uint32_t)p->kernel_h * p->kernel_w, channels = p->out.c & ~15u;
    l->pairs = (taps + 1) / 2;
    if (p->out.h * p->out.w < FEW || taps > TAPS || l->pairs * channels > PAIRS || !__builtin_cpu_supports("avx2")) {
        l->pairs = 0;
        return;
    }
    memset(l->outside, p->in.zero_point, channels);
    for (uint32_t c = 0; c < channels; ++c) {
        for (uint32_t tap = 0; tap < 2 * l->pairs; ++tap) {
            const int8_t *w = (const int8_t *)p->weights + tap * p->out.c + c;
            l->w[(c / 16 * l->pairs + tap / 2) * 16 + c % 16][tap % 2] = tap < taps ? *w : 0;
        }
    }
}

// The taps of a pixel, those of an odd one's pair too.
static void find_taps(const tw_conv_t *p, const laid_out_t *l, const place_t *at, const int8_t **taps) {
    for (int32_t ky = 0; ky < p->kernel_h; ++ky) {
        const int32_t iy = at->top + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->kernel_w; ++kx) {
            const int32_t ix = at->left + kx * p->dilation_w;
            const bool inside = iy >= 0 && iy < p->in.h && ix >= 0 && ix < p->in.w;
            *taps++ = inside ? at->x + ((size_t)iy * p->in.w + (size_t)ix) * p->in.c : l->outside;
        }
    }
    *taps = l->outside;
}

// sums of 16 channels from c on.
TW_AVX2 static void sum_pairs(const laid_out_t *l, const int8_t *const *taps, uint32_t c, int32_t *sums) {
    const tw_16_shorts_t *w = (const tw_16_shorts_t *)l->w[c * l->pairs];
    tw_8_words_t low = {0}, high = {0};
    for (const int8_t *const *end = taps + 2 * l->pairs; taps < end; taps += 2, w += 2) {
        const tw_16_bytes_t a = *(const tw_16_bytes_t *)(taps[0] + c), b = *(const tw_16_bytes_t *)(taps[1] + c);
        const tw_16_bytes_t first =
            __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const tw_16_bytes_t last =
            __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        low += (tw_8_words_t)__builtin_ia32_pmaddwd256(tw_wide_shorts(first), w[0]);
        high += (tw_8_words_t)__builtin_ia32_pmaddwd256(tw_wide_shorts(last), w[1]);
    }
    *(tw_8_words_t *)sums = low;
    *(tw_8_words_t *)(sums + 8) = high;
}
#endif

void tw_depthwise_wide(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const uint32_t channels = p->out.c;
    if (channels != p->in.c) {
        tw_depthwise_s8(p, x, y);
        return;
    }
    const bool narrow = tw_wide_narrow(p);
#ifdef TW_AVX2
    laid_out_t laid_out;
    lay_out_pairs(p, &laid_out);
    const uint32_t paired = laid_out.pairs ? channels & ~15u : 0; // channels
#endif
    for (uint32_t pixel = 0; pixel < (uint32_t)p->out.h * p->out.w; ++pixel, y += channels) {
        const int32_t top = (int32_t)(pixel / p->out.w * p->stride_h) - p->pad_top;
        place_t at = {x, (const int8_t *)p->weights, top, (int32_t)(pixel % p->out.w * p->stride_w) - p->pad_left};
#ifdef TW_AVX2
        const int8_t *taps[TAPS + 1];
        if (paired) {
            find_taps(p, &laid_out, &at, taps);
        }
#endif
        for (uint32_t c = 0, n; c < channels; c += n) {
            n = channels - c < TW_WIDE_CHANNELS ? channels - c : TW_WIDE_CHANNELS;
            int32_t sums[TW_WIDE_CHANNELS] = {0};
            uint32_t done = 0;
#ifdef TW_AVX2
            for (; done < n && c + done < paired; done += 16) {
                sum_pairs(&laid_out, taps, c + done, sums + done);
            }
#endif
            if (done < n) {
                at.x = x + c + done, at.w = (const int8_t *)p->weights + c + done;
                sum_up(p, &at, n - done, sums + done);
            }
            tw_wide_requant(p, narrow, &(tw_wide_t){c, n, 1, 0}, sums, y + c);
        }
    }
}
#endif
