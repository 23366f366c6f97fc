// SPDX-License-Identifier: MIT
// What ADD and MUL share.
#ifndef TW_ELEMENTWISE_H
#define TW_ELEMENTWISE_H

#include "ops.h"

// Made of one element of either input, less its zero point (-255..255): the output, before its zero point and clamp.
typedef int32_t tw_elementwise_t(const void *params, int32_t a, int32_t b);

// Every element of y, in ascending order.
void tw_elementwise_walk(const tw_pair_t *p, const int8_t *x, const int8_t *x2, int8_t *y, tw_elementwise_t *fn,
    const void *params);

#endif
