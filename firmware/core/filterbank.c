// SPDX-License-Identifier: MIT
// Overlapping triangular filters on the mel scale. A bin lies between two centres: its weight goes to the upper
// channel and the rest of 4096 to the lower one, so one multiplication a bin serves both.
#include "frontend_stages.h"

// Takes the upper 2 * pairs bits of word into the square root that root and rest stand for.
static inline void extend_root(uint32_t word, unsigned pairs, uint32_t *root, uint32_t *rest) {
    for (; pairs; pairs--) {
        const uint32_t trial = *root << 2 | 1;
        *rest = *rest << 2 | word >> 30;
        word <<= 2;
        *root <<= 1;
        if (*rest >= trial) {
            *rest -= trial;
            *root |= 1;
        }
    }
}

// Nearest integer to the square root of x < 2^60, except that 65535 is never rounded up: the reference computes
// numbers below 2^32 in 16 bits.
static uint32_t square_root(uint64_t x) {
    const uint32_t upper = (uint32_t)(x >> 32), lower = (uint32_t)x;
    uint32_t root = 0, rest = 0;
    const unsigned pairs = (bit_length(upper ? upper : lower) + 1) / 2;
    if (upper) {
        extend_root(upper << (32 - 2 * pairs), pairs, &root, &rest);
        extend_root(lower, 16, &root, &rest);
    } else if (lower) {
        extend_root(lower << (32 - 2 * pairs), pairs, &root, &rest);
    }
    return rest > root && root != 0xFFFF ? root + 1 : root;
}

void tw_filterbank_apply(const tw_frontend_t *fe, unsigned shift, uint32_t *signal) {
    const tw_complex_t *bin = fe->work.bins + fe->first_bin;
    const uint16_t *weight = fe->weights;
    uint64_t falling = 0;            // what the previous group of bins gives to this channel
    for (unsigned group = 0; group <= fe->channels; group++) {
        uint64_t energy = 0;         // of all bins, below 2^39
        uint64_t rising = 0;         // weighted, below 2^51
        for (unsigned n = fe->widths[group]; n; n--, bin++, weight++) {
            const uint32_t e = (uint32_t)(bin->re * bin->re) + (uint32_t)(bin->im * bin->im); // below 2^31
            energy += e;
            rising += (e & 0xFFFF) * *weight;
            rising += (uint64_t)((e >> 16) * *weight) << 16;
        }
        if (group > 0) {             // the first group only rises towards channel 0
            signal[group - 1] = square_root(falling + rising) >> shift;
        }
        falling = (energy << WEIGHT_BITS) - rising;
    }
}
