// SPDX-License-Identifier: MIT
// FULLY_CONNECTED, reference: y[r][u] = clamp(requant(bias[u] + sum_i w[u][i] * x[r][i]) + out_zero). FULLY_CONNECTED_PART has
// a share of one row's sum. Sums are modulo 2^32, so their order is free.
#include "fixed.h"
#include "ops.h"

// One row: adds to `from`, if there is one, and writes to `sums`, or to y if there are none.
static void row(const tw_fully_connected_t *p, const int8_t *x, const uint32_t *from, uint32_t *sums, int8_t *y) {
    const uint32_t depth = p->depth;
    const uint8_t *weights = p->weights;
    for (uint32_t unit = 0; unit < p->units; ++unit, weights += tw_row_bytes(depth) - depth) {
        uint32_t sum = (uint32_t)p->bias[unit] + (from ? from[unit] : 0);
        const int8_t *at = x;
        for (const int8_t *end = x + depth; at < end;) {
            sum += (uint32_t)((*weights++ - 128) * *at++);
        }
        if (sums) {
            sums[unit] = sum;
            continue;
        }
        const uint32_t q = p->per_channel ? unit : 0;
        int32_t acc = tw_fixed_requant((int32_t)sum, p->requant.multiplier[q], p->requant.shift[q]);
        acc = tw_fixed_add(acc, p->out_zero_point);
        y[unit] = (int8_t)tw_fixed_clamp(acc, p->act_min, p->act_max);
    }
}

void tw_fully_connected_s8(const tw_fully_connected_t *p, const int8_t *x, int8_t *y) {
    for (uint32_t i = 0; i < p->rows; ++i, x += p->depth, y += p->units) {
        row(p, x, NULL, NULL, y);
    }
}

void tw_fully_connected_part_s8(const tw_fully_connected_part_t *p, const int8_t *x, uint32_t *sums, int8_t *y) {
    row(&p->fc, x, p->part == TW_PART_FIRST ? NULL : sums, p->part == TW_PART_LAST ? NULL : sums, y);
}
