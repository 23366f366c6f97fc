// SPDX-License-Identifier: MIT
// The walk of ADD and MUL over their output: an input advances with it, or stays along the axes where its length is 1.
#include "elementwise.h"

#include "fixed.h"

// Elements from one position along an axis to the next.
typedef struct {
    size_t h, w, c;
} strides_t;

static strides_t strides(const tw_shape_t *s) {
    const strides_t result = {
        .h = s->h == 1 ? 0 : (size_t)s->w * s->c,
        .w = s->w == 1 ? 0 : s->c,
        .c = s->c == 1 ? 0 : 1,
    };
    return result;
}

void tw_elementwise_walk(const tw_pair_t *p, const int8_t *x, const int8_t *x2, int8_t *y, tw_elementwise_t *fn,
    const void *params) {
    const strides_t s = strides(&p->in);
    const strides_t s2 = strides(&p->in2);
    for (uint32_t oy = 0; oy < p->out.h; ++oy) {
        for (uint32_t ox = 0; ox < p->out.w; ++ox) {
            const int8_t *a = x + oy * s.h + ox * s.w;
            const int8_t *b = x2 + oy * s2.h + ox * s2.w;
            for (uint32_t oc = 0; oc < p->out.c; ++oc, a += s.c, b += s2.c) {
                const int32_t value = fn(params, *a - p->in.zero_point, *b - p->in2.zero_point);
                *y++ = (int8_t)tw_fixed_clamp(tw_fixed_add(value, p->out.zero_point), p->act_min, p->act_max);
            }
        }
    }
}
