// SPDX-License-Identifier: MIT
// CONV_2D for vectors. What a group of pixels reads is brought together as int16; the weights of 16 channels at a time are
// laid side by side, two taps of each, so that a vector's lanes are channels and nothing is left to add up across them.
#include "arch.h"

#ifdef TW_WIDE
#include "wide.h"

#include <string.h>

#define MOST_TAPS 1024
#define PIXELS 128      // in a group, at most
#define GATHERED 65536  // elements of them
#define LANES 16  // channels

typedef struct {
    int16_t x[GATHERED]; // [pixel][row]
    int16_t w[MOST_TAPS / 2][LANES][2];
    int32_t sums[PIXELS][TW_WIDE_CHANNELS];
} room_t;

// What a pixel reads, and zeros up to the end of the row.
static void gather(const tw_conv_t *p, const int8_t *x, uint32_t pixel, uint32_t row, int16_t *to) {
    const int32_t top = (int32_t)(pixel / p->out.w * p->stride_h) - p->pad_top;
    const int32_t left = (int32_t)(pixel % p->out.w * p->stride_w) - p->pad_left;
    const bool inside = left >= 0 && left + (p->kernel_w - 1) * p->dilation_w < p->in.w;
    const bool together = inside && p->dilation_w == 1;
    const uint32_t run = together ? (uint32_t)p->kernel_w * p->in.c : p->in.c;
    const int16_t *end = to + row;
    for (int32_t ky = 0; ky < p->kernel_h; ++ky) {
        const int32_t iy = top + ky * p->dilation_h;
        for (int32_t kx = 0; kx < (together ? 1 : p->kernel_w); ++kx, to += run) {
            const int32_t ix = left + kx * p->dilation_w;
            if (iy >= 0 && iy < p->in.h && ix >= 0 && ix < p->in.w) {
                const int8_t *from = x + ((size_t)iy * p->in.w + (size_t)ix) * p->in.c;
                for (uint32_t i = 0; i < run; ++i) {
                    to[i] = from[i];
                }
            } else {
                for (uint32_t i = 0; i < run; ++i) {
                    to[i] = p->in.zero_point;
                }
            }
        }
    }
    while (to < end) {
        *to++ = 0;
    }
}

// Weights of n channels; the other lanes are anything.
static void lay_out(const uint8_t *weights, uint32_t row, uint32_t n, int16_t w[][LANES][2]) {
    for (uint32_t lane = 0; lane < n; ++lane, weights += row) {
        for (uint32_t i = 0; i < row; i += 2) {
            const int16_t pair[2] = {(int16_t)(weights[i] - 128), (int16_t)(weights[i + 1] - 128)};
            memcpy(w[i / 2][lane], pair, sizeof pair);
        }
    }
}

// sums[pixel][lane] = sum w * x of four pixels, modulo 2^32.
static void dot(int16_t w[][LANES][2], uint32_t row, const int16_t *x, int32_t sums[][TW_WIDE_CHANNELS]) {
    for (uint32_t pixel = 0; pixel < 4; ++pixel) {
        uint32_t acc[LANES] = {0};
        for (uint32_t i = 0; i < row; i += 2) {
            for (uint32_t lane = 0; lane < LANES; ++lane) {
                acc[lane] += (uint32_t)(w[i / 2][lane][0] * x[pixel * row + i]) +
                             (uint32_t)(w[i / 2][lane][1] * x[pixel * row + i + 1]);
            }
        }
        memcpy(sums[pixel], acc, sizeof acc);
    }
}

#ifdef TW_AVX2
// The same. Compilers do not find the instruction that multiplies and adds pairs.
TW_AVX2 static void dot_avx2(int16_t w[][LANES][2], uint32_t row, const int16_t *x, int32_t sums[][TW_WIDE_CHANNELS]) {
    tw_8_words_t acc[4][2];
    for (uint32_t pixel = 0; pixel < 4; ++pixel) {
        acc[pixel][0] = acc[pixel][1] = (tw_8_words_t){0};
    }
    for (uint32_t i = 0; i < row; i += 2) {
        const tw_16_shorts_t low = *(const tw_16_shorts_t *)w[i / 2], high = *(const tw_16_shorts_t *)w[i / 2][8];
        for (uint32_t pixel = 0; pixel < 4; ++pixel) {
            int32_t pair;
            memcpy(&pair, x + pixel * row + i, sizeof pair);
            const tw_16_shorts_t both = (tw_16_shorts_t)(pair - (tw_8_words_t){0});
            acc[pixel][0] += (tw_8_words_t)__builtin_ia32_pmaddwd256(low, both);
            acc[pixel][1] += (tw_8_words_t)__builtin_ia32_pmaddwd256(high, both);
        }
    }
    for (uint32_t pixel = 0; pixel < 4; ++pixel) {
        *(tw_8_words_t *)sums[pixel] = acc[pixel][0];
        *(tw_8_words_t *)(sums[pixel] + 8) = acc[pixel][1];
    }
}
#endif

// Sums of n channels, to lanes from `lane` on.
static void sum_up(room_t *room, const uint8_t *weights, uint32_t row, uint32_t pixels, uint32_t lane, uint32_t n) {
    lay_out(weights, row, n, room->w);
    for (uint32_t pixel = 0; pixel < pixels; pixel += 4) {
        int32_t (*sums)[TW_WIDE_CHANNELS] = (void *)(room->sums[pixel] + lane);
#ifdef TW_AVX2
        if (__builtin_cpu_supports("avx2")) {
            dot_avx2(room->w, row, room->x + pixel * row, sums);
            continue;
        }
#endif
        dot(room->w, row, room->x + pixel * row, sums);
    }
}

static void run_group(const tw_conv_t *p, room_t *room, uint32_t row, uint32_t pixels, int8_t *y) {
    const bool narrow = tw_wide_narrow(p);
    for (uint32_t first = 0, n; first < p->out.c; first += n) {
        n = p->out.c - first < TW_WIDE_CHANNELS ? p->out.c - first : TW_WIDE_CHANNELS;
        for (uint32_t lane = 0; lane < n; lane += LANES) {
            sum_up(room, p->weights + (first + lane) * row, row, pixels, lane, n - lane < LANES ? n - lane : LANES);
        }
        for (uint32_t pixel = 0; pixel < pixels; ++pixel) {
            tw_wide_requant(p, narrow, first, n, room->sums[pixel], y + pixel * p->out.c + first);
        }
    }
}

void tw_conv2d_wide(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const uint32_t row = tw_row_bytes((uint32_t)p->kernel_h * p->kernel_w * p->in.c);
    const uint32_t pixels = (uint32_t)p->out.h * p->out.w;
    if (row > MOST_TAPS) {
        tw_conv2d_s8(p, x, y);
        return;
    }
    room_t room; // 170 kB: what is not used is not touched
    const uint32_t most = GATHERED / row < PIXELS ? GATHERED / row / 4 * 4 : PIXELS;
    for (uint32_t pixel = 0, n; pixel < pixels; pixel += n, y += n * p->out.c) {
        n = pixels - pixel < most ? pixels - pixel : most;
        for (uint32_t k = 0; k < n || k % 4; ++k) {
            gather(p, x, pixel + (k < n ? k : 0), row, room.x + k * row); // whole fours; what is too much is not written
        }
        run_group(p, &room, row, n, y);
    }
}
#endif
