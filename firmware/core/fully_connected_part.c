// SPDX-License-Identifier: MIT
// FULLY_CONNECTED_PART, reference: a share of the sum over a long input. Sums are modulo 2^32, so their order is free.
#include "fixed.h"
#include "ops.h"

void tw_fully_connected_part_s8(const tw_fully_connected_part_t *p, const int8_t *x, uint32_t *sums, int8_t *y) {
    const tw_fully_connected_t *fc = &p->fc;
    const uint8_t *weights = fc->weights;
    for (uint32_t unit = 0; unit < fc->units; ++unit, weights += tw_row_bytes(fc->depth)) {
        uint32_t sum = (uint32_t)fc->bias[unit] + (p->part == TW_PART_FIRST ? 0 : sums[unit]);
        for (uint32_t i = 0; i < fc->depth; ++i) {
            sum += (uint32_t)((weights[i] - 128) * x[i]);
        }
        if (p->part != TW_PART_LAST) {
            sums[unit] = sum;
            continue;
        }
        const uint32_t q = fc->per_channel ? unit : 0;
        int32_t acc = tw_fixed_requant((int32_t)sum, fc->requant.multiplier[q], fc->requant.shift[q]);
        acc = tw_fixed_add(acc, fc->out_zero_point);
        y[unit] = (int8_t)tw_fixed_clamp(acc, fc->act_min, fc->act_max);
    }
}
