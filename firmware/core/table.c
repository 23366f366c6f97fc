// SPDX-License-Identifier: MIT
// TABLE: any function of one element.
#include "ops.h"

void tw_table_map(const tw_table_t *p, const uint8_t *x, uint8_t *y) {
    for (uint32_t i = 0; i < p->count; ++i) {
        y[i] = p->table[x[i]];
    }
}
