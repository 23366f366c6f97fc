// SPDX-License-Identifier: MIT
// Raised-cosine window. The file holds its rising half; the falling half mirrors it but for single steps, which come
// from the float32 arithmetic that the reference tables were made with.
#include "arch.h"
#include "frontend_stages.h"
#include "move.h"

#if !TW_ARMV6M // window_armv6m.c
enum {
    WINDOW_BITS = 12,                // a coefficient of 1.0 is 4096
    ENTRY_BITS = 13,                 // lower bits: the coefficient; upper three, signed: what its mirror image adds
};

// Multiplies a sample and notes the product's magnitude.
static inline int16_t product(int32_t x, int32_t coefficient, uint32_t *magnitudes) {
    const int32_t y = x * coefficient >> WINDOW_BITS;
    *magnitudes |= (uint32_t)(y < 0 ? -y : y);
    return (int16_t)y;
}

uint32_t tw_window_rise(const int16_t *x, const int16_t *entry, int16_t *to, unsigned n) {
    uint32_t magnitudes = 0;
    for (; n; n--) {
        *to++ = product(*x++, *entry++ & ((1 << ENTRY_BITS) - 1), &magnitudes);
    }
    return magnitudes;
}

uint32_t tw_window_fall(const int16_t *x, const int16_t *entry, int16_t *to, unsigned n) {
    uint32_t magnitudes = 0;
    for (; n; n--) {
        const int32_t e = *entry--;
        *to++ = product(*x++, (e & ((1 << ENTRY_BITS) - 1)) + (e >> ENTRY_BITS), &magnitudes);
    }
    return magnitudes;
}
#endif

// to[begin..end) = x[begin..end) times the window, where to and x may be the same.
static uint32_t multiply(const tw_frontend_t *fe, const int16_t *x, unsigned begin, unsigned end, int16_t *to) {
    const unsigned half = fe->window / 2u, middle = begin > half ? begin : end < half ? end : half;
    const uint32_t magnitudes = tw_window_rise(x + begin, fe->half_window + begin, to + begin, middle - begin);
    return magnitudes | tw_window_fall(x + middle, fe->half_window + 2 * half - 1 - middle, to + middle, end - middle);
}

// The overlap is what the next frame begins with: frame[hop..window), of which the first part lies in overlap itself.
static void keep_overlap(tw_frontend_t *fe) {
    const unsigned overlap = (unsigned)fe->window - fe->hop, kept = overlap > fe->hop ? overlap - fe->hop : 0;
    tw_move(fe->overlap, fe->overlap + (overlap - kept), kept * sizeof fe->overlap[0]);  // from hop, if anything is kept
    tw_move(fe->overlap + kept, fe->work.samples + fe->hop + kept, (overlap - kept) * sizeof fe->overlap[0]);
}

unsigned tw_window_apply(tw_frontend_t *fe) {
    int16_t *samples = fe->work.samples;
    const unsigned window = fe->window, overlap = window - fe->hop;
    uint32_t magnitudes = multiply(fe, fe->overlap, 0, overlap, samples);
    keep_overlap(fe);
    magnitudes |= multiply(fe, samples, overlap, window, samples);
    memset(samples + window, 0, (TW_FRONTEND_FFT - window) * sizeof samples[0]);

    // The reference negates in 16 bits, so to it -32768 has no magnitude at all, and a shift leaves nothing of it.
    const unsigned shift = 15 - tw_fixed_bits(magnitudes & 0x7FFF);
    if (shift && magnitudes >> 15) {
        for (const int16_t *end = samples + window; samples < end; samples++) {
            *samples = *samples == INT16_MIN ? 0 : *samples;
        }
    }
    return shift;
}
