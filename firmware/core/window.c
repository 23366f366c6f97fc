// SPDX-License-Identifier: MIT
// Raised-cosine window. The file holds its rising half; the falling half mirrors it but for single steps, which come
// from the float32 arithmetic that the reference tables were made with.
#include <string.h>

#include "frontend_stages.h"

enum {
    WINDOW_BITS = 12,                // a coefficient of 1.0 is 4096
    ENTRY_BITS = 13,                 // lower bits: the coefficient; upper three, signed: what its mirror image adds
};

// Multiplies sample i of the frame, which lies in overlap or in work, keeps the sample itself for the next frame,
// and returns the product's magnitude.
static inline uint32_t multiply(tw_frontend_t *fe, unsigned i, int32_t coefficient) {
    const int16_t x = i + fe->hop < fe->window ? fe->overlap[i] : fe->work.samples[i];
    if (i >= fe->hop) {
        fe->overlap[i - fe->hop] = x;
    }
    const int32_t y = x * coefficient >> WINDOW_BITS;
    fe->work.samples[i] = (int16_t)y;
    return (uint32_t)(y < 0 ? -y : y);
}

unsigned tw_window_apply(tw_frontend_t *fe) {
    const unsigned window = fe->window;
    uint32_t magnitudes = 0;         // or'ed: only the highest bit of the largest matters
    for (unsigned i = 0; i < window / 2; i++) {
        magnitudes |= multiply(fe, i, fe->half_window[i] & ((1 << ENTRY_BITS) - 1));
    }
    for (unsigned i = window / 2; i < window; i++) {
        const int32_t entry = fe->half_window[window - 1 - i];
        magnitudes |= multiply(fe, i, (entry & ((1 << ENTRY_BITS) - 1)) + (entry >> ENTRY_BITS));
    }
    memset(fe->work.samples + window, 0, (TW_FRONTEND_FFT - window) * sizeof fe->work.samples[0]);

    // The reference negates in 16 bits, so to it -32768 has no magnitude at all.
    return 15 - bit_length(magnitudes & 0x7FFF);
}
