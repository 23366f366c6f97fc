// SPDX-License-Identifier: MIT
// FULLY_CONNECTED in blocks: as CONV_2D, a row for a pixel.
#include "blocked.h"

#if TW_BLOCKED
typedef struct {
    const int8_t *x;
    uint32_t depth;
} matrix_t;

static void add_row(const void *from, uint32_t number, tw_patch_t *to) {
    const matrix_t *s = from;
    tw_patch_add(to, s->x + (size_t)number * s->depth, 1, s->depth);
}

void tw_fully_connected_blocked(const tw_fully_connected_t *p, const int8_t *x, int8_t *y) {
    const matrix_t matrix = {x, p->depth};
    const tw_patches_t patches = {p->weights, tw_row_bytes(p->depth), p->units,
        {p->bias, p->requant, p->out_zero_point, p->act_min, p->act_max, p->help.bounded, p->per_channel}, p->help,
        add_row, &matrix};
    if (!tw_patches_run(&patches, p->rows, y)) {
        tw_fully_connected_s8(p, x, y);
    }
}
#endif
