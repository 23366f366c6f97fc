// SPDX-License-Identifier: MIT
// The filter bank's sums with 64-bit products, which are one instruction here.
#include "arch.h"

#if TW_ARMV7EM
#include "frontend_stages.h"

void tw_filterbank_add(const uint32_t *energy, const uint16_t *weight, const uint32_t *end, tw_slopes_t *sums) {
    uint64_t falling = 0, all = 0;
    for (; energy < end; energy++, weight++) {
        falling += (uint64_t)*energy * *weight;
        all += *energy;
    }
    sums->falling += falling;
    sums->rising += (all << WEIGHT_BITS) - falling;
}
#endif
