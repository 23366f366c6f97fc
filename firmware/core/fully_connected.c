// SPDX-License-Identifier: MIT
// FULLY_CONNECTED, reference: y[r][u] = clamp(requant(bias[u] + sum_i w[u][i] * x[r][i]) + out_zero). FULLY_CONNECTED_PART has
// a share of one row's sum. Sums are modulo 2^32, so their order is free.
#include "fixed.h"
#include "ops.h"

typedef struct {
    const uint32_t *from; // what is added to, if there is any
    uint32_t *to;         // sums; y if there are none
} sums_t;

// One row, from unit `unit` on.
static void row(const tw_fully_connected_t *p, uint32_t unit, const int8_t *x, int8_t *y, const sums_t *s) {
    const uint32_t row = tw_row_bytes(p->depth);
    for (; unit < p->units; ++unit) {
        uint32_t sum = (uint32_t)p->bias[unit] + (s->from ? s->from[unit] : 0);
        const uint32_t second = unit & 1, step = (unit | 1) < p->units ? 4 : 2;
        const uint8_t *weights = p->weights + (unit - second) * row + 2 * second;
        const int8_t *at = x, *end = x + p->depth;
        for (; end - at >= 2; at += 2, weights += step) {
            sum += (uint32_t)((weights[0] - 128) * at[0]) + (uint32_t)((weights[1] - 128) * at[1]);
        }
        if (at < end) {
            sum += (uint32_t)((*weights - 128) * *at);
        }
        if (s->to) {
            s->to[unit] = sum;
            continue;
        }
        const uint32_t q = p->per_channel ? unit : 0;
        int32_t acc = tw_fixed_requant((int32_t)sum, p->requant.multiplier[q], p->requant.shift[q]);
        acc = tw_fixed_add(acc, p->out_zero_point);
        y[unit] = (int8_t)tw_fixed_clamp(acc, p->act_min, p->act_max);
    }
}

void tw_fully_connected_from(const tw_fully_connected_t *p, uint32_t unit, const int8_t *x, int8_t *y) {
    const sums_t none = {NULL, NULL};
    row(p, unit, x, y, &none);
}

void tw_fully_connected_s8(const tw_fully_connected_t *p, const int8_t *x, int8_t *y) {
    for (uint32_t i = 0; i < p->rows; ++i, x += p->depth, y += p->units) {
        tw_fully_connected_from(p, 0, x, y);
    }
}

void tw_fully_connected_part_s8(const tw_fully_connected_part_t *p, const int8_t *x, uint32_t *sums, int8_t *y) {
    const sums_t s = {p->part == TW_PART_FIRST ? NULL : sums, p->part == TW_PART_LAST ? NULL : sums};
    row(&p->fc, 0, x, y, &s);
}
