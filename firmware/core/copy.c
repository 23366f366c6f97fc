// SPDX-License-Identifier: MIT
// COPY: three nested loops of runs.
#include "move.h"
#include "ops.h"

#include <string.h>

// First element of run (i, j, k) on one side.
static size_t start(const tw_copy_side_t *side, uint32_t i, uint32_t j, uint32_t k) {
    return side->offset + i * side->strides[0] + j * side->strides[1] + k * side->strides[2];
}

void tw_copy_runs(const tw_copy_t *p, const uint8_t *x, uint8_t *y) {
    if (p->filled) {
        memset(y, p->fill, p->out_count);
    }
    for (uint32_t i = 0; i < p->counts[0]; ++i) {
        for (uint32_t j = 0; j < p->counts[1]; ++j) {
            for (uint32_t k = 0; k < p->counts[2]; ++k) {
                tw_move(y + start(&p->out, i, j, k), x + start(&p->in, i, j, k), p->run); // a run may overlap itself
            }
        }
    }
}
