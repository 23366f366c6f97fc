// SPDX-License-Identifier: MIT
// FULLY_CONNECTED in blocks: a few pairs of units at a time. Weights are bytes, each 128 too much: 128 * the sum of a row of
// the input is taken off where its sums start.
#include "blocked.h"

#if TW_BLOCKED
#include <string.h>

#define FOUR 4 // units

typedef struct {
    const int16_t *x, *end;
    uint32_t pair;  // bytes of two units' weights
    uint32_t start; // of every sum
} elements_t;

// sums[unit] = start + w . x of n units, an even number; a last pair twice, so that sums are whole fours.
TW_HOT static void dot_pairs(const elements_t *p, const uint8_t *weights, uint32_t n, uint32_t *sums) {
    const uint32_t pair = p->pair;
    const int16_t *end = p->end;
    for (uint32_t c = 0; c < n; c += FOUR, sums += FOUR, weights += FOUR / 2 * pair) {
        const uint8_t *w0 = weights, *w1 = w0 + (c + 2 < n ? pair : 0);
        uint32_t a0 = p->start, a1 = a0, a2 = a0, a3 = a0;
        for (const int16_t *x = p->x; x < end; x += 4, w0 += 8, w1 += 8) {
#define ELEMENT(k, i)                                                                                               \
    {                                                                                                               \
        const int32_t v = x[k];                                                                                     \
        a0 += (uint32_t)(w0[i] * v), a1 += (uint32_t)(w0[i + 2] * v);                                               \
        a2 += (uint32_t)(w1[i] * v), a3 += (uint32_t)(w1[i + 2] * v);                                               \
    }
            ELEMENT(0, 0) TW_IN_ORDER ELEMENT(1, 1) TW_IN_ORDER ELEMENT(2, 4) TW_IN_ORDER ELEMENT(3, 5) TW_IN_ORDER
        }
        sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = a3;
    }
}

// A row of the input; an even number of units. Elements are all read before any output is written.
static void run_row(const tw_fully_connected_t *p, uint32_t units, const int8_t *x, int16_t *xs, int8_t *y) {
    const tw_outputs_t out = {p->bias, p->requant, p->out_zero_point, p->act_min, p->act_max, p->help.bounded, p->per_channel};
    const uint32_t row = tw_row_bytes(p->depth);
    tw_patch_t patch = {xs, 1, 0};
    memset(xs + row - 4, 0, 8); // behind the last tap
    tw_patch_add(&patch, x, 1, p->depth);
    const elements_t elements = {xs, xs + row, 2 * row, (uint32_t)(-128 * patch.sum)};
    for (uint32_t unit = 0, n; unit < units; unit += n) {
        uint32_t sums[TW_BLOCKED_UNITS];
        const tw_sums_t of = {sums, 1, 1, 0};
        n = units - unit < TW_BLOCKED_UNITS ? units - unit : TW_BLOCKED_UNITS;
        dot_pairs(&elements, p->weights + unit * row, n, sums);
        tw_blocked_outputs(&out, unit, n, &of, y + unit);
    }
}

void tw_fully_connected_blocked(const tw_fully_connected_t *p, const int8_t *x, int8_t *y) {
    int16_t own[TW_BLOCKED_ROOM / 2];
    const bool more = p->help.scratch_bytes > sizeof own;
    const bool fits = 2 * tw_row_bytes(p->depth) <= (more ? p->help.scratch_bytes : sizeof own);
    const uint32_t even = fits ? p->units & ~1u : 0;
    for (uint32_t i = 0; i < p->rows; ++i, x += p->depth, y += p->units) {
        if (even) {
            run_row(p, even, x, more ? p->help.scratch : own, y);
        }
        tw_fully_connected_from(p, even, x, y);
    }
}
#endif
