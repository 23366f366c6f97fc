// SPDX-License-Identifier: MIT
// The transform of fft.c with a complex number in a register, its real part in the lower lane. A rotation by c - i s is
// SMLAD and SMLSDX of (c, s); one by -i, which is exact, is SSAX. Lanes wrap as the reference's 16 bits do.
#include "arch.h"

#if TW_ARMV7EM
#include "dsp_armv7em.h"
#include "frontend_stages.h"

#define COMPLEX_POINTS (TW_FRONTEND_FFT / 2)
#define QUARTER_ONE (32767 / 4) // in units of 2^-15: a quarter and a half that cannot overflow
#define HALF_ONE (32767 / 2)
#define ROUNDING (1 << 14)

// So small that a call would cost more: the compiler is told.
#define INLINE __attribute__((always_inline)) static inline

#define ASM_2(name, instruction)                                                            \
    INLINE uint32_t name(uint32_t a, uint32_t b) {                                   \
        uint32_t result;                                                                    \
        __asm__(".syntax unified\n" instruction " %0, %1, %2" : "=r"(result) : "r"(a), "r"(b)); \
        return result;                                                                      \
    }
#define ASM_3(name, instruction)                                                                                \
    INLINE int32_t name(uint32_t a, uint32_t b, int32_t c) {                                             \
        int32_t result;                                                                                         \
        __asm__(".syntax unified\n" instruction " %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(c));       \
        return result;                                                                                          \
    }

ASM_2(add_lanes, "sadd16")
ASM_2(sub_lanes, "ssub16")
ASM_2(half_add_lanes, "shadd16")
ASM_2(half_sub_lanes, "shsub16")
ASM_2(add_turned, "ssax")  // a - i b
ASM_2(sub_turned, "sasx")  // a + i b
ASM_3(mul_lower, "smlabb") // c + lower a * lower b
ASM_3(mul_upper, "smlatb") // c + upper a * lower b
ASM_3(mul_uppers, "smlatt")
ASM_3(dot_crossed, "smlsdx") // c + lower a * upper b - upper a * lower b

// Both in units of 2^-15.
INLINE uint32_t join_lanes(int32_t re, int32_t im) {
    uint32_t result;
    __asm__(".syntax unified\n pkhtb %0, %1, %2, asr #15" : "=r"(result) : "r"((uint32_t)im << 1), "r"(re));
    return result;
}

INLINE uint32_t scale_lanes(uint32_t x, uint32_t factor) {
    return join_lanes(mul_lower(x, factor, ROUNDING), mul_upper(x, factor, ROUNDING));
}

typedef struct {
    uint32_t lanes;     // cosine and sine of less than a quarter turn,
    uint32_t quadrants; // of which there are so many more
} turn_t;

INLINE uint32_t turned(uint32_t a, const turn_t *t) {
    for (uint32_t i = t->quadrants; i; --i) {
        a = add_turned(0, a);
    }
    return join_lanes(tw_smlad(t->lanes, a, ROUNDING), dot_crossed(t->lanes, a, ROUNDING));
}

static uint32_t two_lanes(const int16_t *lower, const int16_t *upper) {
    return (uint16_t)*lower | (uint32_t)(uint16_t)*upper << 16;
}

// exp(-2 pi i j / 512) for j in 0..511, from a quarter wave of the sine.
static turn_t turn(const int16_t *sine, unsigned j) {
    const turn_t t = {two_lanes(sine + 128 - (j & 127), sine + (j & 127)), j >> 7};
    return t;
}

// One four-point transform of every group, as in fft.c.
static void four_points(uint32_t *x, unsigned span, const turn_t *w) {
    for (const uint32_t *end = x + COMPLEX_POINTS; x < end; x += 4 * span) {
        uint32_t *x1 = x + span, *x2 = x1 + span, *x3 = x2 + span;
        const uint32_t a = scale_lanes(*x, QUARTER_ONE);
        uint32_t b = scale_lanes(*x1, QUARTER_ONE), c = scale_lanes(*x2, QUARTER_ONE), d = scale_lanes(*x3, QUARTER_ONE);
        if (w) {
            b = turned(b, &w[0]);
            c = turned(c, &w[1]);
            d = turned(d, &w[2]);
        }
        const uint32_t even = add_lanes(a, c), even_diff = sub_lanes(a, c);
        const uint32_t odd = add_lanes(b, d), odd_diff = sub_lanes(b, d);
        *x = add_lanes(even, odd);
        *x1 = add_turned(even_diff, odd_diff);
        *x2 = sub_lanes(even, odd);
        *x3 = sub_turned(even_diff, odd_diff);
    }
}

// Energies of bins k and 256 - k from the transform of (even sample, odd sample) pairs.
static void to_energies(const int16_t *sine, uint32_t *x) {
    uint32_t *upper = x + COMPLEX_POINTS - 1, *lower = x + 1;
    const int16_t *descending = sine + COMPLEX_POINTS / 2 - 1;
    for (; lower <= upper; lower++, upper--, descending--) {
        const uint32_t b = *upper, a = scale_lanes(*lower, HALF_ONE);
        const uint32_t mirror =
            join_lanes(mul_lower(b, HALF_ONE, ROUNDING), mul_upper(sub_lanes(0, b), HALF_ONE, ROUNDING));
        const uint32_t even = add_lanes(a, mirror), odd = sub_lanes(mirror, a);
        const uint32_t w = two_lanes(descending, ++sine);
        const uint32_t rest = join_lanes(dot_crossed(odd, w, ROUNDING), tw_smlad(odd, w, ROUNDING));
        const uint32_t sum = half_add_lanes(even, rest), re = half_sub_lanes(even, rest), im = half_sub_lanes(rest, even);
        *lower = (uint32_t)tw_smlad(sum, sum, 0);
        *upper = (uint32_t)mul_uppers(im, im, mul_lower(re, re, 0));
    }
}

// Index and place trade their base-4 digits, and numbers take the shift, from which they lose no bits: no sample has more
// than it leaves.
static void trade_places(uint32_t *x, unsigned shift) {
    const uint32_t kept = ((0xFFFFu << shift) & 0xFFFF) * 0x10001;
    for (uint32_t i = 0; i < COMPLEX_POINTS; ++i) {
        uint32_t j; // the bits the other way round, then those of each digit
        __asm__(".syntax unified\n rbit %0, %1" : "=r"(j) : "r"(i << 24));
        j = (j & 0x55) << 1 | (j >> 1 & 0x55);
        if (i <= j) {
            const uint32_t word = x[i];
            x[i] = x[j] << shift & kept;
            x[j] = word << shift & kept;
        }
    }
}

void tw_fft_apply(tw_frontend_t *fe, unsigned shift) {
    uint32_t *x = fe->work.energies;
    trade_places(x, shift);
    four_points(x, 1, NULL);
    for (unsigned span = 4, step = TW_FRONTEND_FFT / 16; span < COMPLEX_POINTS; span *= 4, step /= 4) {
        four_points(x, span, NULL);
        for (unsigned k = 1; k < span; k++) {
            const turn_t w[3] = {turn(fe->sine, k * step), turn(fe->sine, 2 * k * step), turn(fe->sine, 3 * k * step)};
            four_points(x + k, span, w);
        }
    }
    to_energies(fe->sine, x);
}
#endif
