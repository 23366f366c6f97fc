// SPDX-License-Identifier: MIT
// FULLY_CONNECTED on armv7em: as CONV_2D, a row for a pixel. FULLY_CONNECTED_PART: unit by unit.
#include "arch.h"

#if TW_ARMV7EM
#include "dense_armv7em.h"

typedef struct {
    const int8_t *x;
    uint32_t depth;
} rows_t;

static const int8_t *row_of(const void *from, uint32_t number, int8_t *room) {
    (void)room;
    const rows_t *s = from;
    return s->x + (size_t)number * s->depth;
}

void tw_fully_connected_armv7em(const tw_fully_connected_t *p, const int8_t *x, int8_t *y) {
    const rows_t source = {x, p->depth};
    const tw_dense_t d = {p->weights, p->bias, p->depth, tw_row_bytes(p->depth), p->units,
        {p->requant, p->per_channel, p->out_zero_point, p->act_min, p->act_max, p->help.bounded}, p->help, row_of, &source};
    tw_dense_run(&d, p->rows, y);
}

void tw_fully_connected_part_armv7em(const tw_fully_connected_part_t *p, const int8_t *x, uint32_t *sums, int8_t *y) {
    const tw_fully_connected_t *fc = &p->fc;
    const tw_outputs_t outputs = {
        fc->requant, fc->per_channel, fc->out_zero_point, fc->act_min, fc->act_max, fc->help.bounded};
    const uint8_t *weights = fc->weights;
    for (uint32_t unit = 0; unit < fc->units; ++unit, weights += tw_row_bytes(fc->depth)) {
        const uint32_t begun = (uint32_t)fc->bias[unit] + (p->part == TW_PART_FIRST ? 0 : sums[unit]);
        const int32_t sum = tw_dense_dot(x, weights, fc->depth, (int32_t)begun);
        if (p->part == TW_PART_LAST) {
            tw_outputs_row(&outputs, unit, &sum, 1, y + unit);
        } else {
            sums[unit] = (uint32_t)sum;
        }
    }
}
#endif
