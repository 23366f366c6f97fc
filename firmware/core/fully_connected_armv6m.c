// SPDX-License-Identifier: MIT
// FULLY_CONNECTED on armv6m: as CONV_2D, a row for a pixel.
#include "arch.h"

#if TW_ARMV6M
#include "dense_armv6m.h"

#include <string.h>

typedef struct {
    const int8_t *x;
    uint32_t depth;
} rows_t;

static const int8_t *patch(const void *from, uint32_t number, int8_t *room) {
    const rows_t *s = from;
    const int8_t *x = s->x + (size_t)number * s->depth;
    if ((uintptr_t)x % 4 == 0 && s->depth % 4 == 0) {
        return x;
    }
    memcpy(room, x, s->depth);
    return room;
}

void tw_fully_connected_armv6m(const tw_fully_connected_t *p, const int8_t *x, int8_t *y) {
    const rows_t source = {x, p->depth};
    const tw_dense_t d = {p->weights, p->bias, p->requant, tw_row_bytes(p->depth), p->units, p->per_channel,
        p->out_zero_point, p->act_min, p->act_max, p->help, patch, &source};
    if (tw_dense_fits(&d, p->rows)) {
        tw_dense_run(&d, p->rows, y);
    } else {
        tw_fully_connected_s8(p, x, y);
    }
}
#endif
