// SPDX-License-Identifier: MIT
// FULLY_CONNECTED on armv7em: as CONV_2D, a row for a pixel.
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
    const tw_dense_t d = {p->weights, p->bias, p->depth, tw_row_bytes(p->depth), p->units, p->per_channel,
        {p->requant, p->out_zero_point, p->act_min, p->act_max, p->help.bounded}, p->help, row_of, &source};
    tw_dense_run(&d, p->rows, y);
}
#endif
