// SPDX-License-Identifier: MIT
// Noise reduction: a channel's slow average is taken for noise and subtracted, down to a floor.
#include "frontend_stages.h"

// (x * share + y * (1 - share)), rounded down, share in 1/16384: y moves towards x. One 48-bit product instead of two.
static inline uint32_t approach(uint32_t y, uint32_t x, uint32_t share) {
    const uint32_t distance = x >= y ? x - y : y - x;
    const uint32_t step = mul_shift(distance, share, SMOOTHING_ONE_BITS);
    if (x >= y) {
        return y + step;
    }
    const bool inexact = (distance * share & ((1u << SMOOTHING_ONE_BITS) - 1)) != 0;
    return y - step - inexact;       // down means away from zero here
}

void tw_noise_reduce(tw_frontend_t *fe, uint32_t *signal) {
    for (unsigned i = 0; i < fe->channels; i++) {
        const uint32_t scaled = signal[i] << fe->smoothing_bits; // the estimate's scale
        const uint32_t estimate = approach(fe->noise[i], scaled, fe->smoothing[i & 1]);
        fe->noise[i] = estimate;

        const uint32_t above = estimate < scaled ? (scaled - estimate) >> fe->smoothing_bits : 0;
        const uint32_t floor = mul_shift(signal[i], fe->min_signal, SMOOTHING_ONE_BITS);
        signal[i] = above > floor ? above : floor;
    }
}
