// SPDX-License-Identifier: MIT
#include "arch.h"

#ifdef TW_WIDE
#include "fixed.h"
#include "wide.h"

#include <string.h>

// In 32 bits: requant_armv6m.h says why that is exact.
TW_VECTOR
static void requant_bounded(const tw_conv_t *p, uint32_t first, uint32_t n, const int32_t *sums, int8_t *y) {
    const int32_t *multiplier = p->requant.multiplier + first;
    const int8_t *shift = p->requant.shift + first;
    const int32_t *bias = p->bias + first;
    const int32_t zero = p->out.zero_point, low = p->act_min, high = p->act_max;
    for (uint32_t i = 0; i < n; ++i) {
        // Unsigned: where a file lies, they wrap.
        const uint32_t m = (uint32_t)multiplier[i], sum = (uint32_t)sums[i] + (uint32_t)bias[i];
        const int32_t right = -shift[i];
        int32_t t = (int32_t)(sum * (m & 255)) >> 8;
        t = (int32_t)((uint32_t)t + sum * (m >> 8 & 255)) >> 8;
        t = (int32_t)((uint32_t)t + sum * (m >> 16 & 255)) >> 8;
        t = (int32_t)((uint32_t)t + sum * (m >> 24) + (uint32_t)((int32_t)sum < 0 ? -64 : 64) + ((uint32_t)64 << right));
        t = (t >> (right + 7)) + zero;
        t = t < low ? low : t;
        y[i] = (int8_t)(t > high ? high : t);
    }
}

#ifdef TW_AVX2
// What 8 channels are requantised with.
typedef struct {
    tw_8_words_t bias, even, odd, add, right; // multipliers of channels 0, 2, 4, 6 and of the others
} step_8_t;

TW_AVX2 static inline step_8_t prepare_8(const tw_conv_t *p, uint32_t channel) {
    const tw_8_words_t m = *(const tw_8_words_t *)(p->requant.multiplier + channel);
    const tw_8_words_t s = -__builtin_convertvector(*(const tw_8_bytes_t *)(p->requant.shift + channel), tw_8_words_t);
    const step_8_t step = {*(const tw_8_words_t *)(p->bias + channel), m, (tw_8_words_t)((tw_4_longs_t)m >> 32),
        64 + (64 << s) + (p->out.zero_point << (s + 7)), s + 7};
    return step;
}

// Words of which some may not fit an output: floor(sum * multiplier / 2^24) from products of 64 bits.
TW_AVX2 static inline tw_8_words_t requant_8(const step_8_t *step, const int32_t *sums) {
    const tw_8_words_t sum = *(const tw_8_words_t *)sums + step->bias, up = sum << 8;
    const tw_8_words_t even = (tw_8_words_t)__builtin_ia32_pmuldq256(up, step->even);
    const tw_8_words_t odd =
        (tw_8_words_t)__builtin_ia32_pmuldq256((tw_8_words_t)((tw_4_longs_t)up >> 32), step->odd);
    const tw_8_words_t product = __builtin_shufflevector(even, odd, 1, 9, 3, 11, 5, 13, 7, 15);
    return (product + step->add - (128 & (sum >> 31))) >> step->right;
}

// n channels, a multiple of 8.
TW_AVX2 static void requant_avx2(
    const tw_conv_t *p, uint32_t n, const tw_wide_t *of, const int32_t *sums, int8_t *y) {
    const tw_16_chars_t low = (tw_16_chars_t)(p->act_min - (tw_16_bytes_t){0});
    const tw_16_chars_t high = (tw_16_chars_t)(p->act_max - (tw_16_bytes_t){0});
    for (uint32_t i = 0; i < n; i += 16) {
        const uint32_t upper = i + 8 < n ? 8 : 0;
        const step_8_t step[2] = {prepare_8(p, of->first + i), prepare_8(p, of->first + i + upper)};
        const int32_t *at = sums + i;
        int8_t *to = y + i;
        for (uint32_t pixel = 0; pixel < of->pixels; ++pixel, at += of->pitch, to += p->out.c) {
            const tw_16_shorts_t shorts = (tw_16_shorts_t)__builtin_ia32_packssdw256(
                requant_8(&step[0], at), requant_8(&step[1], at + upper)); // fours of channels: 0, 2, 1, 3
            const tw_8_words_t bytes = (tw_8_words_t)__builtin_ia32_packsswb256(shorts, shorts); // 0, 2, 0, 2, 1, 3, ...
            const tw_16_chars_t ordered = (tw_16_chars_t)__builtin_shufflevector(bytes, bytes, 0, 4, 1, 5);
            const tw_16_chars_t clamped = __builtin_ia32_pminsb128(__builtin_ia32_pmaxsb128(ordered, low), high);
            memcpy(to, &clamped, 8);
            if (upper) {
                memcpy(to + 8, (const int8_t *)&clamped + 8, 8);
            }
        }
    }
}
#endif

bool tw_wide_narrow(const tw_conv_t *p) {
    bool narrow = p->help.bounded;
    for (uint32_t i = 0; i < p->out.c; ++i) {
        narrow &= p->requant.shift[i] >= TW_BOUND_SHIFT && p->requant.shift[i] < 0;
    }
    return narrow;
}

static void requant_any(const tw_conv_t *p, uint32_t first, uint32_t n, const int32_t *sums, int8_t *y) {
    for (uint32_t i = 0; i < n; ++i) {
        const int32_t value = tw_fixed_requant(
            tw_fixed_add(sums[i], p->bias[first + i]), p->requant.multiplier[first + i], p->requant.shift[first + i]);
        y[i] = (int8_t)tw_fixed_clamp(tw_fixed_add(value, p->out.zero_point), p->act_min, p->act_max);
    }
}

void tw_wide_requant(const tw_conv_t *p, bool narrow, const tw_wide_t *of, const int32_t *sums, int8_t *y) {
    uint32_t done = 0;
#ifdef TW_AVX2
    if (narrow && __builtin_cpu_supports("avx2")) {
        done = of->n & ~7u;
        requant_avx2(p, done, of, sums, y);
    }
#endif
    for (uint32_t pixel = 0; done < of->n && pixel < of->pixels; ++pixel, sums += of->pitch, y += p->out.c) {
        (narrow ? requant_bounded : requant_any)(p, of->first + done, of->n - done, sums + done, y + done);
    }
}
#endif
