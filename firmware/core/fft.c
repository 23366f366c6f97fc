// SPDX-License-Identifier: MIT
// Real FFT of 512 points with the rounding of kissfft's 16-bit build: a radix-4 complex FFT of 256 points, decimation
// in time and in place, then the step that separates the spectra of the even and odd samples. Every stage divides by
// its radix, so nothing overflows but a few extreme inputs; those wrap to 16 bits as they do in the reference.
#include "arch.h"
#include "frontend_stages.h"

#if !TW_ARMV6M && !TW_ARMV7EM // fft_armv6m.c, fft_armv7em.c
enum {
    POINTS = TW_FRONTEND_FFT / 2,
    QUARTER = 32767 / 4,             // in units of 2^-15: a quarter and a half that cannot overflow
    HALF = 32767 / 2,
};

#if (defined(__xtensa__) || defined(__riscv)) && !defined(__clang__) // whose modules have room for it: 10 to 15 % of a frame
#define FFT_FAST __attribute__((optimize("O2")))
#else
#define FFT_FAST
#endif

typedef struct {
    int32_t re, im;
} wide_t;

// Rounded x * factor, in units of 2^-15.
static inline int32_t scale(int32_t x, int32_t factor) {
    return (x * factor + (1 << 14)) >> 15;
}

// a * w, w in units of 2^-15.
static inline wide_t rotate(wide_t a, wide_t w) {
    const wide_t product = {
        (a.re * w.re - a.im * w.im + (1 << 14)) >> 15,
        (a.re * w.im + a.im * w.re + (1 << 14)) >> 15,
    };
    return product;
}

static inline int32_t re_of(tw_complex_t x) {
    return (int16_t)x.word;
}

static inline int32_t im_of(tw_complex_t x) {
    return (int32_t)x.word >> 16;
}

static inline wide_t load_scaled(const tw_complex_t *x, int32_t factor) {
    const tw_complex_t a = *x;
    const wide_t scaled = {scale(re_of(a), factor), scale(im_of(a), factor)};
    return scaled;
}

static inline void store(tw_complex_t *x, int32_t re, int32_t im) {
    x->part.re = (int16_t)re;
    x->part.im = (int16_t)im;
}

// exp(-2 pi i j / 512) for j in 0..511, from a quarter wave of the sine: each further quadrant is a factor of -i.
static wide_t twiddle(const int16_t *sine, unsigned j) {
    const int32_t s = sine[j & 127], c = sine[128 - (j & 127)];
    const wide_t first = {c, -s}, second = {-s, -c};
    wide_t w = j & 128 ? second : first;
    if (j & 256) {
        w.re = -w.re;
        w.im = -w.im;
    }
    return w;
}

// One butterfly of every group, x[0..3 span] being that of the first: the four-point transform of x[0], x[span],
// x[2 span] and x[3 span], scaled, the last three then rotated by w[0..2]. NULL leaves them: a rotation by 32767/32768
// gives back every number that a quarter can be.
FFT_FAST static void butterflies(tw_complex_t *x, unsigned span, int32_t factor, const wide_t *w) {
    for (const tw_complex_t *last = x + POINTS - 4 * span;; x += 4 * span) {
        wide_t b = load_scaled(x + span, factor);
        if (w) {
            b = rotate(b, w[0]);
        }
        wide_t d = load_scaled(x + 3 * span, factor);
        if (w) {
            d = rotate(d, w[2]);
        }
        const wide_t odd = {b.re + d.re, b.im + d.im}, odd_diff = {b.re - d.re, b.im - d.im};

        wide_t c = load_scaled(x + 2 * span, factor);
        if (w) {
            c = rotate(c, w[1]);
        }
        const wide_t a = load_scaled(x, factor);
        const wide_t even = {a.re + c.re, a.im + c.im}, even_diff = {a.re - c.re, a.im - c.im};

        store(x, even.re + odd.re, even.im + odd.im);
        store(x + span, even_diff.re + odd_diff.im, even_diff.im - odd_diff.re);
        store(x + 2 * span, even.re - odd.re, even.im - odd.im);
        store(x + 3 * span, even_diff.re - odd_diff.im, even_diff.im + odd_diff.re);

        if (x == last) {
            return;
        }
    }
}

// Joins transforms of span points to transforms of 4 span points; step is a 1/(4 span) turn in 1/512.
static void join(const int16_t *sine, unsigned span, unsigned step, tw_complex_t *x) {
    butterflies(x, span, QUARTER, NULL);
    for (unsigned k = 1; k < span; k++) {
        const unsigned turn = k * step;
        const wide_t w[3] = {twiddle(sine, turn), twiddle(sine, 2 * turn), twiddle(sine, 3 * turn)};
        butterflies(x + k, span, QUARTER, w);
    }
}

static inline uint32_t energy(int32_t re, int32_t im) {
    return (uint32_t)(re * re) + (uint32_t)(im * im);
}

// From the transform of (even sample, odd sample) pairs to that of the samples, bins k and 256 - k at a time, of which
// only the energies are kept.
FFT_FAST static void separate(const int16_t *sine, tw_complex_t *x) {
    for (unsigned k = 1; k <= POINTS / 2; k++) {
        tw_complex_t *lower = x + k, *upper = x + POINTS - k;
        const tw_complex_t a = *lower, b = *upper;
        const int32_t re = scale(re_of(a), HALF), im = scale(im_of(a), HALF);
        const int32_t mirror_re = scale(re_of(b), HALF), mirror_im = scale((int16_t)-im_of(b), HALF);
        const wide_t even = {re + mirror_re, im + mirror_im};
        const wide_t odd = {re - mirror_re, im - mirror_im};
        const wide_t w = {-sine[k], -sine[POINTS / 2 - k]};
        const wide_t turned = rotate(odd, w);
        const int32_t turned_re = (int16_t)turned.re, turned_im = (int16_t)turned.im;
        lower->word = energy((even.re + turned_re) >> 1, (even.im + turned_im) >> 1);
        upper->word = energy((even.re - turned_re) >> 1, (turned_im - even.im) >> 1);
    }
}

// Index and place trade their base-4 digits: the outer two, and the inner two.
static void reorder(tw_complex_t *x) {
    for (unsigned a = 0; a < 4; a++) {
        for (unsigned b = a; b < 4; b++) {
            for (unsigned c = 0; c < 4; c++) {
                const unsigned first = a < b ? 0 : c + 1;
                uint32_t *p = &x[64 * c + 16 * a + 4 * b + first].word, *q = &x[64 * first + 16 * b + 4 * a + c].word;
                for (unsigned d = first; d < 4; d++, q += 64) {
                    const uint32_t word = *q;
                    *q = *p;
                    *p++ = word;
                }
            }
        }
    }
}

void tw_fft_apply(tw_frontend_t *fe, unsigned shift) {
    tw_complex_t *x = fe->work.bins;
    reorder(x);
    butterflies(x, 1, QUARTER << shift, NULL); // loses no bits: no sample has more than the shift leaves
    for (unsigned span = 4, step = TW_FRONTEND_FFT / 16; span < POINTS; span *= 4, step /= 4) {
        join(fe->sine, span, step, x);
    }
    separate(fe->sine, x);
}
#endif
