// SPDX-License-Identifier: MIT
// Natural logarithm, 16 fraction bits inside: log2 by position of the highest bit and table, then times ln 2.
#include "frontend_stages.h"

enum {
    FRACTION_BITS = 16,
    SEGMENT_BITS = FRACTION_BITS - 7, // 128 table segments
    LN2 = 45426,                     // ln 2 in 1/65536
    CORRECTION_BITS = 3,             // log2 512 less the 6 bits that the root of a filter weight adds
    ONE_HALF = 1 << (FRACTION_BITS - 1),
};

// log2(1 + f) for f = mantissa / 65536. The table holds log2(1 + f) - f. The step between entries is shifted by 16
// where an interpolation would by 9, as in the reference, so it contributes -2..0; the sum may reach above 65535.
static uint32_t log2_fraction(const uint16_t *table, uint32_t mantissa) {
    const uint16_t *entry = table + (mantissa >> SEGMENT_BITS);
    const int32_t position = (int32_t)(mantissa & ((1u << SEGMENT_BITS) - 1));
    return mantissa + entry[0] + (uint32_t)((entry[1] - entry[0]) * position >> FRACTION_BITS);
}

static uint32_t natural_log(const uint16_t *table, uint32_t x, unsigned scale_shift) {
    const unsigned whole = tw_fixed_bits(x) - 1;
    const uint32_t aligned = whole < FRACTION_BITS ? x << (FRACTION_BITS - whole) : x >> (whole - FRACTION_BITS);
    const uint32_t fraction = log2_fraction(table, aligned & 0xFFFF);
    const uint32_t ln = LN2 * whole + ((LN2 * fraction + ONE_HALF) >> FRACTION_BITS); // below 2^21
    return ((ln << scale_shift) + ONE_HALF) >> FRACTION_BITS;
}

void tw_log_apply(const tw_frontend_t *fe, const uint32_t *signal, uint16_t *features) {
    for (unsigned i = 0; i < fe->channels; i++) {
        const uint32_t x = signal[i] << CORRECTION_BITS;
        const uint32_t y = x > 1 ? natural_log(fe->log2, x, fe->log_shift) : 0;
        features[i] = (uint16_t)(y < 0xFFFF ? y : 0xFFFF);
    }
}
