// SPDX-License-Identifier: MIT
// ADD, reference: both inputs are brought to a common scale with 20 more bits, added or subtracted, and requantised.
#include "elementwise.h"
#include "fixed.h"

#define MORE (1 << 20)

static int32_t sum(const void *params, int32_t a, int32_t b) {
    const tw_add_t *p = params;
    // Shifts are not positive, so neither term is beyond 2^28.
    const int32_t left = tw_fixed_requant(a * MORE, p->multiplier[0], p->shift[0]);
    const int32_t right = tw_fixed_requant(b * MORE, p->multiplier[1], p->shift[1]);
    return tw_fixed_requant(p->subtract ? left - right : left + right, p->multiplier[2], p->shift[2]);
}

void tw_add_s8(const tw_add_t *p, const int8_t *x, const int8_t *x2, int8_t *y) {
    tw_elementwise_walk(&p->pair, x, x2, y, sum, p);
}
