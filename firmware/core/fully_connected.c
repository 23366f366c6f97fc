// SPDX-License-Identifier: MIT
// FULLY_CONNECTED, reference: y[r][u] = clamp(requant(bias[u] + sum_i w[u][i] * x[r][i]) + out_zero).
#include "fixed.h"
#include "ops.h"

void tw_fully_connected_s8(const tw_fully_connected_t *p, const int8_t *x, int8_t *y) {
    const uint32_t depth = p->depth, row_bytes = tw_row_bytes(depth);
    for (uint32_t row = 0; row < p->rows; ++row, x += depth) {
        const uint8_t *weights = p->weights;
        for (uint32_t unit = 0; unit < p->units; ++unit, weights += row_bytes) {
            uint32_t sum = (uint32_t)p->bias[unit];
            for (uint32_t i = 0; i < depth; ++i) {
                sum += (uint32_t)((weights[i] - 128) * x[i]);
            }
            const uint32_t q = p->per_channel ? unit : 0;
            int32_t acc = tw_fixed_requant((int32_t)sum, p->requant.multiplier[q], p->requant.shift[q]);
            acc = tw_fixed_add(acc, p->out_zero_point);
            *y++ = (int8_t)tw_fixed_clamp(acc, p->act_min, p->act_max);
        }
    }
}
