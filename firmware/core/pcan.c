// SPDX-License-Identifier: MIT
// Per-channel automatic gain: signal * gain(noise), then a soft knee. The gain is a function of 32 bits, tabulated as
// one parabola per power of two: value, slope and curvature of [2^n, 2^(n+1)).
#include "frontend_stages.h"

enum {
    SNR_BITS = 12,                   // fraction bits of the amplified signal
    OUTPUT_BITS = 6,                 // and of the result
    POSITION_BITS = 10,              // of a position inside an interval
};

static uint32_t gain(const int16_t *table, uint32_t noise) {
    if (noise < 2) {
        return (uint16_t)table[noise];
    }
    const unsigned exponent = tw_fixed_bits(noise) - 1; // 1..31
    const int16_t *parabola = table + 2 + 3 * (exponent - 1);
    const uint32_t aligned = exponent < POSITION_BITS ? noise << (POSITION_BITS - exponent)
                                                      : noise >> (exponent - POSITION_BITS);
    const int32_t position = (int32_t)(aligned & ((1u << POSITION_BITS) - 1));

    // Below 2^31 for any table: (2^15 * 2^10 / 2^5 + 2^15 * 2^5) * 1023.
    const int32_t slope = (parabola[2] * position >> 5) + parabola[1] * (1 << 5);
    return (uint16_t)(((slope * position + (1 << 14)) >> 15) + parabola[0]);
}

// x^2 / 4 up to 2, x - 1 from there on: value and slope meet.
static uint32_t soften(uint32_t x) {
    if (x < 2u << SNR_BITS) {
        return x * x >> (2 + 2 * SNR_BITS - OUTPUT_BITS);
    }
    return (x >> (SNR_BITS - OUTPUT_BITS)) - (1u << OUTPUT_BITS);
}

void tw_pcan_apply(const tw_frontend_t *fe, uint32_t *signal) {
    for (unsigned i = 0; i < fe->channels; i++) {
        signal[i] = soften(mul_shift(signal[i], gain(fe->gain, fe->noise[i]), fe->pcan_shift));
    }
}
