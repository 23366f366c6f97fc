// SPDX-License-Identifier: MIT
// CONV_2D for vectors. What a group of pixels reads is brought together as int16; the weights of 16 channels at a time are
// laid side by side, two taps of each, so that a vector's lanes are channels and nothing is left to add up across them.
#include "arch.h"

#ifdef TW_WIDE
#include "wide.h"

#include <string.h>

#define MOST_TAPS 1024
#define PIXELS 64     // in a group, at most
#define GATHERED 4096 // elements of them
#define TAPS 96       // of weights that are laid out at a time
#define LANES 16      // channels
#define FEW 8         // channels, whose weights are not laid out

typedef int16_t lanes_t[LANES][2]; // of two taps

// Elements that a pixel's row takes in the room: whole vectors.
static inline uint32_t pitch_of(uint32_t row) {
    return (row + 15) & ~15u;
}

typedef struct {
    int16_t x[GATHERED]; // [pixel][pitch_of(row)]
    lanes_t w[TAPS / 2];
    int32_t sums[PIXELS][LANES];
} room_t;

// Eight at a time, which a compiler makes one vector of, for processors that have an operation for it.
static inline int16_t *widen(const int8_t *from, uint32_t n, int16_t *to) {
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        int8_t eight[8];
        int16_t wide[8];
        memcpy(eight, from + i, sizeof eight);
        for (uint32_t k = 0; k < 8; ++k) {
            wide[k] = eight[k];
        }
        memcpy(to + i, wide, sizeof wide);
    }
    for (; i < n; ++i) {
        to[i] = from[i];
    }
    return to + n;
}

static inline int16_t *repeat(int32_t value, uint32_t n, int16_t *to) {
    for (uint32_t i = 0; i < n; ++i) {
        to[i] = (int16_t)value;
    }
    return to + n;
}

// What a pixel reads, and zeros up to the end of the row.
TW_VECTOR
static void gather(const tw_conv_t *p, const int8_t *x, uint32_t pixel, uint32_t row, int16_t *restrict to) {
    const int32_t top = (int32_t)(pixel / p->out.w * p->stride_h) - p->pad_top;
    const int32_t left = (int32_t)(pixel % p->out.w * p->stride_w) - p->pad_left;
    const int32_t taps = p->dilation_w == 1 ? p->kernel_w : 1, zero = p->in.zero_point; // taps in one piece
    const uint32_t c = p->in.c;
    const int16_t *end = to + row;
    for (int32_t ky = 0; ky < p->kernel_h; ++ky) {
        const int32_t iy = top + ky * p->dilation_h, w = iy >= 0 && iy < p->in.h ? p->in.w : 0;
        const int8_t *line = x + (w ? (size_t)iy * p->in.w * c : 0);
        for (int32_t kx = 0; kx < p->kernel_w; kx += taps) {
            const int32_t ix = left + kx * p->dilation_w, last = ix + taps;
            const int32_t from = ix < 0 ? 0 : ix < w ? ix : w, until = last < from ? from : last < w ? last : w; // inside
            to = repeat(zero, (uint32_t)(until > from ? from - ix : taps) * c, to);
            if (until > from) {
                to = widen(line + (size_t)from * c, (uint32_t)(until - from) * c, to);
                to = repeat(zero, (uint32_t)(last - until) * c, to);
            }
        }
    }
    repeat(0, (uint32_t)(end - to), to);
}

// Weights of some taps, of n channels.
static void lay_out(const uint8_t *weights, uint32_t row, uint32_t taps, uint32_t n, lanes_t *w) {
    for (uint32_t lane = 0; lane < n; ++lane, weights += row) {
        for (uint32_t i = 0; i < taps; i += 2) {
            const int16_t pair[2] = {(int16_t)(weights[i] - 128), (int16_t)(weights[i + 1] - 128)};
            memcpy(w[i / 2][lane], pair, sizeof pair);
        }
    }
}

#ifdef TW_AVX2
// Bytes i and i + 1 of each word, twice.
#define DOUBLED(x, i)                                                                                               \
    __builtin_shufflevector(x, x, i, i, i + 1, i + 1, i + 4, i + 4, i + 5, i + 5, i + 8, i + 8, i + 9, i + 9, i + 12,   \
        i + 12, i + 13, i + 13, i + 16, i + 16, i + 17, i + 17, i + 20, i + 20, i + 21, i + 21, i + 24, i + 24, i + 25, \
        i + 25, i + 28, i + 28, i + 29, i + 29)

// The same of 32 taps of 8 channels: 8 times 8 words, transposed.
TW_AVX2 static void lay_out_avx2(const uint8_t *weights, uint32_t row, lanes_t *w) {
    tw_8_words_t a[8], b[8];
    for (uint32_t i = 0; i < 8; i += 2) {
        const tw_8_words_t even = *(const tw_8_words_t *)(weights + i * row);
        const tw_8_words_t odd = *(const tw_8_words_t *)(weights + (i + 1) * row);
        a[i] = __builtin_shufflevector(even, odd, 0, 8, 1, 9, 4, 12, 5, 13);
        a[i + 1] = __builtin_shufflevector(even, odd, 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (uint32_t i = 0; i < 8; i += 4) {
        b[i] = __builtin_shufflevector(a[i], a[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        b[i + 1] = __builtin_shufflevector(a[i], a[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        b[i + 2] = __builtin_shufflevector(a[i + 1], a[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
        b[i + 3] = __builtin_shufflevector(a[i + 1], a[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    for (uint32_t i = 0; i < 8; ++i, w += 2) {
        const tw_8_words_t four = i < 4 ? __builtin_shufflevector(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11)
                                        : __builtin_shufflevector(b[i - 4], b[i], 4, 5, 6, 7, 12, 13, 14, 15);
        const tw_32_bytes_t bytes = (tw_32_bytes_t)four ^ -128; // as int8
        *(tw_16_shorts_t *)w[0] = (tw_16_shorts_t)DOUBLED(bytes, 0) >> 8;
        *(tw_16_shorts_t *)w[1] = (tw_16_shorts_t)DOUBLED(bytes, 2) >> 8;
    }
}
#endif

// n channels in their lanes; the other lanes are anything.
static void lay_out_lanes(const uint8_t *weights, uint32_t row, uint32_t taps, uint32_t n, lanes_t *w) {
    for (uint32_t lane = 0, some; lane < n; lane += some, weights += some * row) {
        some = n - lane < 8 ? n - lane : 8;
        lanes_t *to = (lanes_t *)(w[0] + lane);
        uint32_t done = 0;
#ifdef TW_AVX2
        for (; some == 8 && done + 32 <= taps && __builtin_cpu_supports("avx2"); done += 32) {
            lay_out_avx2(weights + done, row, to + done / 2);
        }
#endif
        lay_out(weights + done, row, taps - done, some, to + done / 2);
    }
}

// sums[pixel][lane] += sum w * x of four pixels, modulo 2^32.
static void dot(lanes_t *w, uint32_t taps, const int16_t *x, uint32_t row, int32_t sums[][LANES]) {
    for (uint32_t pixel = 0; pixel < 4; ++pixel, x += row) {
        uint32_t acc[LANES];
        memcpy(acc, sums[pixel], sizeof acc);
        for (uint32_t i = 0; i < taps; i += 2) {
            for (uint32_t lane = 0; lane < LANES; ++lane) {
                acc[lane] += (uint32_t)(w[i / 2][lane][0] * x[i]) + (uint32_t)(w[i / 2][lane][1] * x[i + 1]);
            }
        }
        memcpy(sums[pixel], acc, sizeof acc);
    }
}

#ifdef TW_AVX2
// The same, in registers.
TW_AVX2 static void dot_avx2(lanes_t *w, uint32_t taps, const int16_t *x, uint32_t row, int32_t sums[][LANES]) {
    tw_8_words_t acc[4][2];
    for (uint32_t pixel = 0; pixel < 4; ++pixel) {
        acc[pixel][0] = *(tw_8_words_t *)sums[pixel];
        acc[pixel][1] = *(tw_8_words_t *)(sums[pixel] + 8);
    }
    for (uint32_t i = 0; i < taps; i += 2) {
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

#ifdef TW_AVX2
// Adds up taps of two channels and four pixels in vectors of taps, with no weights laid out. `words` of four are left at the
// end of a row, where elements of x are 0 up to a whole vector.
TW_AVX2 static void dot_rows_avx2(const uint8_t *const w[2], uint32_t row, const int16_t *x, int32_t *sums) {
    static const int32_t some[] = {-1, -1, -1, 0, 0, 0};
    const uint8_t *w0 = w[0], *w1 = w[1];
    const uint32_t pitch = pitch_of(row);
    tw_8_words_t acc[4][2] = {{{0}}};
    for (uint32_t i = 0; i < row; i += 16) {
        tw_16_bytes_t a, b;
        if (i + 16 <= row) {
            a = *(const tw_16_bytes_t *)(w0 + i), b = *(const tw_16_bytes_t *)(w1 + i);
        } else {
            const tw_4_words_t mask = *(const tw_4_words_t *)(some + 3 - (row - i) / 4);
            a = (tw_16_bytes_t)__builtin_ia32_maskloadd((const tw_4_words_t *)(w0 + i), mask);
            b = (tw_16_bytes_t)__builtin_ia32_maskloadd((const tw_4_words_t *)(w1 + i), mask);
        }
        const tw_16_shorts_t first = tw_wide_shorts(a ^ -128);
        const tw_16_shorts_t second = tw_wide_shorts(b ^ -128);
        for (uint32_t pixel = 0; pixel < 4; ++pixel) {
            const tw_16_shorts_t both = *(const tw_16_shorts_t *)(x + pixel * pitch + i);
            acc[pixel][0] += (tw_8_words_t)__builtin_ia32_pmaddwd256(first, both);
            acc[pixel][1] += (tw_8_words_t)__builtin_ia32_pmaddwd256(second, both);
        }
    }
    for (uint32_t pixel = 0; pixel < 4; pixel += 2) {
        const tw_8_words_t four = __builtin_ia32_phaddd256(__builtin_ia32_phaddd256(acc[pixel][0], acc[pixel][1]),
            __builtin_ia32_phaddd256(acc[pixel + 1][0], acc[pixel + 1][1])); // and their other halves
        const tw_8_words_t whole = four + __builtin_shufflevector(four, four, 4, 5, 6, 7, 0, 1, 2, 3);
        memcpy(sums + pixel * LANES, &whole, 8);
        memcpy(sums + (pixel + 1) * LANES, (const int8_t *)&whole + 8, 8);
    }
}
#endif

// Sums of n channels for whole fours of pixels.
static void sum_up(room_t *room, const uint8_t *weights, uint32_t row, uint32_t pixels, uint32_t n) {
    const uint32_t pitch = pitch_of(row);
#ifdef TW_AVX2
    if (n <= FEW && __builtin_cpu_supports("avx2")) {
        for (uint32_t lane = 0; lane < n; lane += 2) {
            const uint8_t *both[2] = {weights + lane * row, weights + (lane + 1 < n ? lane + 1 : lane) * row};
            for (uint32_t pixel = 0; pixel < pixels; pixel += 4) {
                dot_rows_avx2(both, row, room->x + pixel * pitch, (int32_t *)room->sums + pixel * LANES + lane);
            }
        }
        return;
    }
#endif
    memset(room->sums, 0, (pixels + 3) / 4 * 4 * sizeof room->sums[0]);
    for (uint32_t tap = 0; tap < row; tap += TAPS) {
        const uint32_t taps = row - tap < TAPS ? row - tap : TAPS;
        lay_out_lanes(weights + tap, row, taps, n, room->w);
        for (uint32_t pixel = 0; pixel < pixels; pixel += 4) {
            const int16_t *x = room->x + pixel * pitch + tap;
#ifdef TW_AVX2
            if (__builtin_cpu_supports("avx2")) {
                dot_avx2(room->w, taps, x, pitch, room->sums + pixel);
                continue;
            }
#endif
            dot(room->w, taps, x, pitch, room->sums + pixel);
        }
    }
}

static void run_group(const tw_conv_t *p, room_t *room, uint32_t row, uint32_t pixels, int8_t *y) {
    const bool narrow = tw_wide_narrow(p);
    for (uint32_t first = 0, n; first < p->out.c; first += n) {
        n = p->out.c - first < LANES ? p->out.c - first : LANES;
        sum_up(room, p->weights + first * row, row, pixels, n);
        tw_wide_requant(p, narrow, &(tw_wide_t){first, n, pixels, LANES}, room->sums[0], y + first);
    }
}

void tw_conv2d_wide(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const uint32_t row = tw_row_bytes((uint32_t)p->kernel_h * p->kernel_w * p->in.c);
    const uint32_t pixels = (uint32_t)p->out.h * p->out.w;
    if (row > MOST_TAPS) {
        tw_conv2d_s8(p, x, y);
        return;
    }
    room_t room; // 15 kB
    const uint32_t pitch = pitch_of(row);
    const uint32_t most = GATHERED / pitch < PIXELS ? GATHERED / pitch / 4 * 4 : PIXELS;
    for (uint32_t pixel = 0, n; pixel < pixels; pixel += n, y += n * p->out.c) {
        n = pixels - pixel < most ? pixels - pixel : most;
        for (uint32_t k = 0; k < n || k % 4; ++k) {
            gather(p, x, pixel + (k < n ? k : 0), pitch, room.x + k * pitch); // whole fours; what is too much is not written
        }
        run_group(p, &room, row, n, y);
    }
}
#endif
