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

static inline int32_t re_of(tw_complex_t x) {
    return (int16_t)x.word;
}

static inline int32_t im_of(tw_complex_t x) {
    return (int32_t)x.word >> 16;
}

static inline wide_t load_quarter(const tw_complex_t *x) {
    const tw_complex_t a = *x;
    const wide_t q = {quarter(re_of(a)), quarter(im_of(a))};
    return q;
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

// Multiplies by 2^shift and reorders: index and place trade their base-4 digits.
static void reorder(tw_complex_t *x, unsigned shift) {
    for (unsigned i = 0; i < POINTS; i++) {
        const unsigned j = (i & 0x03) << 6 | (i & 0x0C) << 2 | (i & 0x30) >> 2 | i >> 6;
        if (i <= j) {
            const tw_complex_t a = x[i], b = x[j];
            store(x + i, re_of(b) * (1 << shift), im_of(b) * (1 << shift));
            store(x + j, re_of(a) * (1 << shift), im_of(a) * (1 << shift));
        }
    }
}

// One butterfly of every group, x[0..3 span] being that of the first: the four-point transform of x[0], x[span],
// x[2 span] and x[3 span], the last three first rotated by w[0..2]. NULL leaves them: a rotation by 32767/32768 gives
// back every number that a quarter can be.
static void butterflies(tw_complex_t *x, unsigned span, const wide_t *w) {
    for (const tw_complex_t *last = x + POINTS - 4 * span;; x += 4 * span) {
        wide_t b = load_quarter(x + span);
        if (w) {
            b = rotate(b, w[0]);
        }
        wide_t d = load_quarter(x + 3 * span);
        if (w) {
            d = rotate(d, w[2]);
        }
        const wide_t odd = {b.re + d.re, b.im + d.im}, odd_diff = {b.re - d.re, b.im - d.im};

        wide_t c = load_quarter(x + 2 * span);
        if (w) {
            c = rotate(c, w[1]);
        }
        const wide_t a = load_quarter(x);
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
    butterflies(x, span, NULL);
    for (unsigned k = 1; k < span; k++) {
        const unsigned turn = k * step;
        const wide_t w[3] = {twiddle(sine, turn), twiddle(sine, 2 * turn), twiddle(sine, 3 * turn)};
        butterflies(x + k, span, w);
    }
}

// From the transform of (even sample, odd sample) pairs to that of the samples, bins k and 256 - k at a time.
static void separate(const int16_t *sine, tw_complex_t *x) {
    for (unsigned k = 1; k <= POINTS / 2; k++) {
        tw_complex_t *lower = x + k, *upper = x + POINTS - k;
        const tw_complex_t a = *lower, b = *upper;
        const int32_t re = half(re_of(a)), im = half(im_of(a));
        const int32_t mirror_re = half(re_of(b)), mirror_im = half((int16_t)-im_of(b));
        const wide_t even = {re + mirror_re, im + mirror_im};
        const wide_t odd = {re - mirror_re, im - mirror_im};
        const wide_t w = {-sine[k], -sine[POINTS / 2 - k]};
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
