// SPDX-License-Identifier: MIT
// Overlapping triangular filters on the mel scale. A bin lies between two centres, on the falling slope of the lower
// channel and the rising slope of the upper one: the former gets its weight, the latter the rest of 4096, so one
// multiplication a bin serves both.
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

typedef struct {
    uint64_t energy;                 // of all bins, below 2^39
    uint64_t falling;                // each times its weight, below 2^51
} group_t;

// Adds up a group's bins. Sixteen of them fit the 32-bit sums of lower and upper halves.
static group_t add_up(const tw_complex_t *bin, const uint16_t *weight, unsigned width) {
    group_t sum = {0, 0};
    while (width) {
        const unsigned run = width < 16 ? width : 16;
        uint32_t energy_lo = 0, energy_hi = 0, falling_lo = 0, falling_hi = 0;
        for (const tw_complex_t *end = bin + run; bin < end; bin++, weight++) {
            const int32_t re = (int16_t)bin->word, im = (int32_t)bin->word >> 16;
            const uint32_t e = (uint32_t)(re * re) + (uint32_t)(im * im); // below 2^31
            const uint32_t lo = e & 0xFFFF, hi = e >> 16;
            energy_lo += lo;
            energy_hi += hi;
            falling_lo += lo * *weight;
            falling_hi += hi * *weight;
        }
        sum.energy += ((uint64_t)energy_hi << 16) + energy_lo;
        sum.falling += ((uint64_t)falling_hi << 16) + falling_lo;
        width -= run;
    }
    return sum;
}

void tw_filterbank_apply(const tw_frontend_t *fe, unsigned shift, uint32_t *signal) {
    const tw_complex_t *bin = fe->work.bins + fe->first_bin;
    const uint16_t *weight = fe->weights;
    uint64_t rising = 0;             // what the previous group of bins, below the channel's centre, gives to it
    for (unsigned i = 0; i <= fe->channels; i++) {
        const group_t group = add_up(bin, weight, fe->widths[i]);
        if (i > 0) {                 // the first group lies below channel 0 only
            signal[i - 1] = square_root(rising + group.falling) >> shift;
        }
        rising = (group.energy << WEIGHT_BITS) - group.falling;
        bin += fe->widths[i];
        weight += fe->widths[i];
    }
}
