// SPDX-License-Identifier: MIT
// Overlapping triangular filters on the mel scale. A bin lies between two centres, on the falling slope of the lower
// channel and the rising slope of the upper one: the former gets its weight, the latter the rest of 4096, so one
// multiplication a bin serves both.
#include "arch.h"
#include "frontend_stages.h"

#if !TW_ARMV6M && !TW_ARMV7EM // filterbank_armv6m.c, filterbank_armv7em.c
void tw_filterbank_add(const uint32_t *energy, const uint16_t *weight, const uint32_t *end, tw_slopes_t *sums) {
    uint32_t lower_sum = 0, upper_sum = 0, lower_falling = 0, upper_falling = 0;
    for (; energy < end; energy++, weight++) {
        const uint32_t lower = *energy & 0xFFFF, upper = *energy >> 16;
        lower_sum += lower;
        upper_sum += upper;
        lower_falling += lower * *weight;
        upper_falling += upper * *weight;
    }
    sums->falling += ((uint64_t)upper_falling << 16) + lower_falling;
    const uint32_t lower_rising = (lower_sum << WEIGHT_BITS) - lower_falling;
    const uint32_t upper_rising = (upper_sum << WEIGHT_BITS) - upper_falling;
    sums->rising += ((uint64_t)upper_rising << 16) + lower_rising;
}
#endif

#if !TW_ARMV6M
uint32_t tw_filterbank_root(uint64_t x) {
    const uint32_t upper = (uint32_t)(x >> 32), lower = (uint32_t)x;
    // The first 32 bits, from an even place, and how many pairs follow.
    unsigned pairs = (tw_fixed_bits(upper) + 1) / 2;
    uint32_t rest = pairs ? upper << (32 - 2 * pairs) | lower >> 2 * pairs : lower;
    uint32_t root = 0, bit = 1u << 30;
    while (bit > rest) {
        bit >>= 2;
    }
    for (; bit; bit >>= 2) {
        const uint32_t trial = root + bit;
        root >>= 1;
        if (rest >= trial) {
            rest -= trial;
            root += bit;
        }
    }
    for (uint32_t word = pairs ? lower << (32 - 2 * pairs) : 0; pairs; pairs--) {
        const uint32_t trial = root << 2 | 1;
        rest = rest << 2 | word >> 30;
        word <<= 2;
        root <<= 1;
        if (rest >= trial) {
            rest -= trial;
            root++;
        }
    }
    return rest > root && root != 0xFFFF ? root + 1 : root;
}
#endif

void tw_filterbank_apply(const tw_frontend_t *fe, unsigned shift, uint32_t *signal) {
    const uint32_t *energy = fe->work.energies + fe->first_bin;
    const uint16_t *weight = fe->weights;
    tw_slopes_t sums = {0, 0};       // of a channel; and of the next one, as far as they are known
    for (unsigned i = 0; i <= fe->channels; i++) {
        for (unsigned left = fe->widths[i], run; left; left -= run) {
            run = left < TW_BINS_AT_ONCE ? left : TW_BINS_AT_ONCE;
            tw_filterbank_add(energy, weight, energy + run, &sums);
            energy += run;
            weight += run;
        }
        if (i > 0) {                 // the first group lies below channel 0 only
            signal[i - 1] = tw_filterbank_root(sums.falling) >> shift;
        }
        sums.falling = sums.rising;
        sums.rising = 0;
    }
}
