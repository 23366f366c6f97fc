// SPDX-License-Identifier: MIT
// FULLY_CONNECTED for vectors. Weights lie in pairs of rows, two taps of one unit and two of the other; so every two elements
// of the input are laid out twice, and of a vector's words, two products each, the even ones are one unit's.
#include "arch.h"

#ifdef TW_WIDE
#include "fixed.h"
#include "wide.h"

#include <string.h>

#define TAPS 1024 // that are laid out at a time
#define UNITS TW_WIDE_CHANNELS
#define EIGHT 8 // units, of which sums are made together

// Elements of x, every two twice, and zeros up to whole vectors. Returns their sum.
static int32_t lay_out(const int8_t *x, uint32_t taps, int16_t *to) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < taps; ++i) {
        sum += x[i];
    }
    for (uint32_t i = 0; i + 2 <= taps; i += 2, to += 4) {
        to[0] = to[2] = x[i];
        to[1] = to[3] = x[i + 1];
    }
    memset(to, 0, 16 * sizeof *to);
    if (taps % 2) {
        to[0] = to[2] = x[taps - 1];
    }
    return sum;
}

// Adds the products of two units' `bytes` of weights, a multiple of 8, to their sums.
static void dot(const uint8_t *w, uint32_t bytes, const int16_t *x, int32_t *sums) {
    int32_t acc[8] = {0}; // below 2^26: taps are at most TAPS
    for (uint32_t i = 0; i < bytes; i += 8) {
        for (uint32_t k = 0; k < 8; ++k) {
            acc[k] += w[i + k] * x[i + k];
        }
    }
    sums[0] = tw_fixed_add(sums[0], acc[0] + acc[1] + acc[4] + acc[5]);
    sums[1] = tw_fixed_add(sums[1], acc[2] + acc[3] + acc[6] + acc[7]);
}

#ifdef TW_AVX2
// As bytes from 0 to 255. The compiler's own conversion of whole vectors takes four instructions for this one.
TW_AVX2 static inline tw_16_shorts_t widen(tw_16_bytes_t x) {
    return (tw_16_shorts_t)__builtin_ia32_pmovzxbw256((tw_16_chars_t)x);
}

// The same of 8 units, in registers; of the last pair again where there are no more.
TW_AVX2 static void dot_avx2(
    const uint8_t *w, uint32_t pair, uint32_t pairs, uint32_t bytes, const int16_t *x, int32_t *sums) {
    const uint8_t *ws[4] = {w};
    tw_8_words_t acc[4] = {0};
    for (uint32_t k = 1; k < 4; ++k) {
        ws[k] = ws[k - 1] + (k < pairs ? pair : 0);
    }
    uint32_t i = 0;
    for (; i + 16 <= bytes; i += 16) {
        const tw_16_shorts_t both = *(const tw_16_shorts_t *)(x + i);
        for (uint32_t k = 0; k < 4; ++k) {
            const tw_16_shorts_t wide = widen(*(const tw_16_bytes_t *)(ws[k] + i));
            acc[k] += (tw_8_words_t)__builtin_ia32_pmaddwd256(wide, both);
        }
    }
    if (i < bytes) { // eight more
        const tw_16_shorts_t both = *(const tw_16_shorts_t *)(x + i);
        for (uint32_t k = 0; k < 4; ++k) {
            tw_16_bytes_t eight = {0};
            memcpy(&eight, ws[k] + i, 8);
            acc[k] += (tw_8_words_t)__builtin_ia32_pmaddwd256(widen(eight), both);
        }
    }
    // Pairs of words of four vectors: those of each vector are added up and lie in order.
    tw_8_words_t two[2];
    for (uint32_t k = 0; k < 2; ++k) {
        const tw_8_words_t a = acc[2 * k], b = acc[2 * k + 1];
        two[k] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13) +
                 __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
    }
    *(tw_8_words_t *)sums += __builtin_shufflevector(two[0], two[1], 0, 1, 2, 3, 8, 9, 10, 11) +
                             __builtin_shufflevector(two[0], two[1], 4, 5, 6, 7, 12, 13, 14, 15);
}
#endif

// A row by itself.
TW_VECTOR
static int32_t dot_last(const uint8_t *w, const int8_t *x, uint32_t depth) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < depth; ++i) {
        sum += (uint32_t)((w[i] - 128) * x[i]);
    }
    return (int32_t)sum;
}

// Sums, without their biases, of n units from `first`, an even number, on.
static void sum_up(const tw_fully_connected_t *p, const int8_t *x, uint32_t first, uint32_t n, int32_t *sums) {
    const uint32_t row = tw_row_bytes(p->depth), paired = n & ~1u;
    const uint8_t *weights = p->weights + first * row;
    memset(sums, 0, UNITS * sizeof *sums);
    for (uint32_t tap = 0; tap < p->depth; tap += TAPS) {
        const uint32_t taps = p->depth - tap < TAPS ? p->depth - tap : TAPS, bytes = 2 * tw_row_bytes(taps);
        int16_t doubled[2 * TAPS + 16];
        const int32_t excess = 128 * lay_out(x + tap, taps, doubled); // weights are 128 too much
        for (uint32_t unit = 0; unit < paired; unit += EIGHT) {
            const uint32_t pairs = (paired - unit) / 2 < EIGHT / 2 ? (paired - unit) / 2 : EIGHT / 2;
            const uint8_t *w = weights + unit * row + 2 * tap;
#ifdef TW_AVX2
            if (__builtin_cpu_supports("avx2")) {
                dot_avx2(w, 2 * row, pairs, bytes, doubled, sums + unit);
                continue;
            }
#endif
            for (uint32_t k = 0; k < pairs; ++k) {
                dot(w + k * 2 * row, bytes, doubled, sums + unit + 2 * k);
            }
        }
        for (uint32_t unit = 0; unit < paired; ++unit) {
            sums[unit] = tw_fixed_add(sums[unit], -excess);
        }
    }
    if (paired < n) {
        sums[paired] = dot_last(weights + paired * row, x, p->depth);
    }
}

// y of n units' sums. Where one multiplier is all units', it is repeated.
static void requantise(const tw_fully_connected_t *p, uint32_t first, uint32_t n, const int32_t *sums, int8_t *y) {
    int32_t multiplier[UNITS];
    int8_t shift[UNITS];
    for (uint32_t i = 0; i < n; ++i) {
        const uint32_t q = p->per_channel ? first + i : 0;
        multiplier[i] = p->requant.multiplier[q];
        shift[i] = p->requant.shift[q];
    }
    const tw_conv_t pixel = {.out = {1, 1, (uint16_t)n, p->out_zero_point}, .act_min = p->act_min, .act_max = p->act_max,
        .bias = p->bias + first, .requant = {multiplier, shift}, .help = p->help};
    tw_wide_requant(&pixel, tw_wide_narrow(&pixel), &(tw_wide_t){0, n, 1, 0}, sums, y);
}

// One row: adds to `from`, if there is one, and writes to `to`, or to y if there is none.
static void run_row(const tw_fully_connected_t *p, const int8_t *x, const uint32_t *from, uint32_t *to, int8_t *y) {
    for (uint32_t first = 0, n; first < p->units; first += n) {
        int32_t sums[UNITS];
        n = p->units - first < UNITS ? p->units - first : UNITS;
        sum_up(p, x, first, n, sums);
        for (uint32_t i = 0; from && i < n; ++i) {
            sums[i] = tw_fixed_add(sums[i], (int32_t)from[first + i]);
        }
        for (uint32_t i = 0; to && i < n; ++i) {
            to[first + i] = (uint32_t)sums[i] + (uint32_t)p->bias[first + i];
        }
        if (!to) {
            requantise(p, first, n, sums, y + first);
        }
    }
}

void tw_fully_connected_wide(const tw_fully_connected_t *p, const int8_t *x, int8_t *y) {
    for (uint32_t i = 0; i < p->rows; ++i, x += p->depth, y += p->units) {
        run_row(p, x, NULL, NULL, y);
    }
}

void tw_fully_connected_part_wide(const tw_fully_connected_part_t *p, const int8_t *x, uint32_t *sums, int8_t *y) {
    run_row(&p->fc, x, p->part == TW_PART_FIRST ? NULL : sums, p->part == TW_PART_LAST ? NULL : sums, y);
}
#endif
