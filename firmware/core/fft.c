// SPDX-License-Identifier: MIT
// Real FFT of 512 points with the rounding of kissfft's 16-bit build: a radix-4 complex FFT of 256 points, decimation
// in time and in place, then the step that separates the spectra of the even and odd samples. Every stage divides by
// its radix, so nothing overflows but a few extreme inputs; those wrap to 16 bits as they do in the reference.
#include "frontend_stages.h"

enum { POINTS = TW_FRONTEND_FFT / 2 };

typedef struct {
    int32_t re, im;
} wide_t;

// Rounded x * 32767/4 and x * 32767/2, in units of 2^-15: a quarter and a half that cannot overflow.
static inline int32_t quarter(int32_t x) {
    return (x * (32767 / 4) + (1 << 14)) >> 15;
}

static inline int32_t half(int32_t x) {
    return (x * (32767 / 2) + (1 << 14)) >> 15;
}

// a * w, w in units of 2^-15.
static inline wide_t rotate(wide_t a, wide_t w) {
    const wide_t product = {
        (a.re * w.re - a.im * w.im + (1 << 14)) >> 15,
        (a.re * w.im + a.im * w.re + (1 << 14)) >> 15,
    };
    return product;
}

// sin(2 pi j / 512) for j in 0..511, from the table's quarter wave.
static int32_t sine(const int16_t *table, unsigned j) {
    const unsigned folded = j & 255;
    const int32_t s = table[folded > 128 ? 256 - folded : folded];
    return j & 256 ? -s : s;
}

// exp(-2 pi i j / 512) for j in 0..383.
static wide_t twiddle(const int16_t *table, unsigned j) {
    const wide_t w = {sine(table, j + 128), -sine(table, j)};
    return w;
}

// Multiplies by 2^shift and reorders: index and place trade their base-4 digits.
static void reorder(tw_complex_t *x, unsigned shift) {
    for (unsigned i = 0; i < POINTS; i++) {
        const unsigned j = (i & 0x03) << 6 | (i & 0x0C) << 2 | (i & 0x30) >> 2 | i >> 6;
        if (i <= j) {
            const tw_complex_t a = x[i], b = x[j];
            x[i].re = (int16_t)((uint32_t)b.re << shift);
            x[i].im = (int16_t)((uint32_t)b.im << shift);
            x[j].re = (int16_t)((uint32_t)a.re << shift);
            x[j].im = (int16_t)((uint32_t)a.im << shift);
        }
    }
}

static inline wide_t load(const tw_complex_t *x) {
    const wide_t a = {quarter(x->re), quarter(x->im)};
    return a;
}

static inline void store(tw_complex_t *x, int32_t re, int32_t im) {
    x->re = (int16_t)re;
    x->im = (int16_t)im;
}

// Four-point transform of x[0], x[span], x[2 span], x[3 span], the last three first rotated by w[0..2]. NULL leaves
// them: a rotation by 32767/32768 gives back every number that a quarter can be.
static inline void butterfly(tw_complex_t *x, unsigned span, const wide_t *w) {
    const wide_t a = load(x);
    wide_t b = load(x + span), c = load(x + 2 * span), d = load(x + 3 * span);
    if (w) {
        b = rotate(b, w[0]);
        c = rotate(c, w[1]);
        d = rotate(d, w[2]);
    }
    const wide_t even = {a.re + c.re, a.im + c.im}, even_diff = {a.re - c.re, a.im - c.im};
    const wide_t odd = {b.re + d.re, b.im + d.im}, odd_diff = {b.re - d.re, b.im - d.im};
    store(x, even.re + odd.re, even.im + odd.im);
    store(x + span, even_diff.re + odd_diff.im, even_diff.im - odd_diff.re);
    store(x + 2 * span, even.re - odd.re, even.im - odd.im);
    store(x + 3 * span, even_diff.re - odd_diff.im, even_diff.im + odd_diff.re);
}

// Joins transforms of span points to transforms of 4 span points; step is a 1/(4 span) turn in 1/512.
static void join(const int16_t *table, unsigned span, unsigned step, tw_complex_t *x) {
    for (unsigned i = 0; i < POINTS; i += 4 * span) {
        butterfly(x + i, span, NULL);
    }
    for (unsigned k = 1; k < span; k++) {
        const unsigned turn = k * step;
        const wide_t w[3] = {twiddle(table, turn), twiddle(table, 2 * turn), twiddle(table, 3 * turn)};
        for (unsigned i = k; i < POINTS; i += 4 * span) {
            butterfly(x + i, span, w);
        }
    }
}

// From the transform of (even sample, odd sample) pairs to that of the samples, bins k and 256 - k at a time.
static void separate(const int16_t *table, tw_complex_t *x) {
    for (unsigned k = 1; k <= POINTS / 2; k++) {
        tw_complex_t *lower = x + k, *upper = x + POINTS - k;
        const int32_t re = half(lower->re), im = half(lower->im);
        const int32_t mirror_re = half(upper->re), mirror_im = half((int16_t)-upper->im);
        const wide_t even = {re + mirror_re, im + mirror_im};
        const wide_t odd = {re - mirror_re, im - mirror_im};
        const wide_t w = {-table[k], -table[POINTS / 2 - k]};
        const wide_t turned = rotate(odd, w);
        const int32_t turned_re = (int16_t)turned.re, turned_im = (int16_t)turned.im;
        store(lower, (even.re + turned_re) >> 1, (even.im + turned_im) >> 1);
        store(upper, (even.re - turned_re) >> 1, (turned_im - even.im) >> 1);
    }
}

void tw_fft_apply(tw_frontend_t *fe, unsigned shift) {
    tw_complex_t *x = fe->work.bins;
    reorder(x, shift);
    for (unsigned span = 1, step = TW_FRONTEND_FFT / 4; span < POINTS; span *= 4, step /= 4) {
        join(fe->sine, span, step, x);
    }
    separate(fe->sine, x);
}
