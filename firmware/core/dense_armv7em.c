// SPDX-License-Identifier: MIT
// SMLAD multiplies two pairs of 16-bit lanes and adds both products. Of four bytes, the even ones and the odd ones become
// lanes, in one instruction each. Several pixels are spread out once for all units and two rows of weights once for all
// pixels, so that four sums of two pixels and two units take eight loads and eight SMLAD for sixteen taps. A single pixel
// is spread out, and the weights of four rows at a time in passing.
#include "arch.h"

#if TW_ARMV7EM
#include "dense_armv7em.h"

#define MOST_PIXELS 16
#define PAIR 2 // of units, and of pixels
#define UNITS 4 // that a single pixel takes at a time
#define MOST_UNITS 16 // requantised together
#define WEIGHTS 0xff80ff80u // what added to two weights' bytes gives the weights

bool tw_dense_roomy(const tw_dense_t *d) {
    return d->help.scratch_bytes >= d->row;
}

// Lanes of the bytes up to `end`, which may lie in the second half of what they become.
static void spread(const int8_t *from, const int8_t *end, uint32_t *to) {
    do {
        const uint32_t four = tw_four(from);
        from += 4;
        *to++ = tw_even_s8(four);
        *to++ = tw_odd_s8(four);
    } while (from < end);
}

#define SPREAD_TWO(extend)                                                                                          \
    __asm__ volatile(".syntax unified\n"                                                                            \
                     "push {r4-r7, lr}\n ldr r12, [sp, #20]\n"                                                     \
                     "1:\n ldr r5, [r0], #4\n ldr r7, [r1], #4\n"                                                  \
                     extend " r4, r12, r5\n " extend " r5, r12, r5, ror #8\n"                                      \
                     extend " r6, r12, r7\n " extend " r7, r12, r7, ror #8\n"                                      \
                     "stmia r3!, {r4-r7}\n cmp r0, r2\n bne 1b\n pop {r4-r7, pc}\n")

// Lanes of two rows up to the first one's end, a word of the one and a word of the other, each with `added`. 13 cycles for
// eight bytes, which are pixels'
TW_ASSEMBLY static void spread_pixels(const void *a, const void *b, const void *end, uint32_t *to, uint32_t added) {
    (void)a, (void)b, (void)end, (void)to, (void)added;
    SPREAD_TWO("sxtab16");
}

// or weights'.
TW_ASSEMBLY static void spread_weights(const void *a, const void *b, const void *end, uint32_t *to, uint32_t added) {
    (void)a, (void)b, (void)end, (void)to, (void)added;
    SPREAD_TWO("uxtab16");
}

// A patch that ends with whole words, so that nothing behind its last tap is read.
static const int8_t *whole_patch(const tw_dense_t *d, uint32_t pixel, int8_t *room) {
    const int8_t *x = d->patch(d->from, pixel, room);
    if (x != room && d->taps != d->row) {
        memcpy(room, x, d->taps);
        x = room;
    }
    return x;
}

// ---- several pixels

typedef struct {
    const uint32_t *ws;
    int32_t bias[PAIR];
    const uint32_t *ws_end, *xs_end;
    uint32_t skipped; // bytes of code that the first round leaves out
} pairs_t;

#define STEP_BYTES 40
#define STEP                                                                                                         \
    "ldmia.w r0!, {r2-r5}\n ldmia.w r1!, {r6-r9}\n"                                                                  \
    "smlad r10, r2, r6, r10\n smlad r10, r3, r7, r10\n smlad r11, r2, r8, r11\n smlad r11, r3, r9, r11\n"            \
    "smlad r12, r4, r6, r12\n smlad r12, r5, r7, r12\n smlad lr, r4, r8, lr\n smlad lr, r5, r9, lr\n"

// sums[pixel][unit] = bias + x . w, for pairs of pixels one after the other. 19 cycles for 16 taps, and some 30 a pair.
TW_ASSEMBLY static void dot_pairs(const uint32_t *xs, const pairs_t *p, int32_t *sums) {
    (void)xs, (void)p, (void)sums;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r11, lr}\n"
                     "ldr r3, [r1, #20]\n adr r4, 2f\n adds r3, r4\n orr r3, #1\n" // where the first round begins
                     "ldrd r4, r5, [r1, #12]\n"
                     "push {r1-r5}\n" // p, sums, entry, ws_end, xs_end
                     "1:\n ldr r9, [sp]\n ldr r8, [sp, #8]\n ldmia r9, {r1, r10, r11}\n mov r12, r10\n mov lr, r11\n bx r8\n"
                     ".balign 4\n"
                     "2:\n" STEP STEP STEP STEP STEP STEP STEP STEP
                     "ldr r9, [sp, #12]\n cmp r1, r9\n bne 2b\n"
                     "ldr r9, [sp, #4]\n stmia r9!, {r10-r12, lr}\n str r9, [sp, #4]\n"
                     "ldr r8, [sp, #16]\n cmp r0, r8\n bne 1b\n"
                     "add sp, #20\n pop {r4-r11, pc}\n");
}

static uint32_t group_bytes(const tw_dense_t *d, uint32_t pixels) {
    return (pixels + PAIR) * 2 * d->row;
}

static void run_group(const tw_dense_t *d, uint32_t first, uint32_t pixels, int8_t *y) {
    const uint32_t pair_words = d->row; // PAIR lots of two lanes a word
    uint32_t *xs = d->help.scratch, *to = xs;
    uint32_t *ws = xs + (pixels + 1) / PAIR * pair_words;
    for (uint32_t i = 0; i < pixels; i += PAIR, to += pair_words) {
        int8_t *room = (int8_t *)ws;
        const int8_t *x = whole_patch(d, first + i, room);
        // Where the last pair lacks its second pixel, that is the first one again, and has sums that nobody reads.
        const int8_t *other = i + 1 < pixels ? whole_patch(d, first + i + 1, room + d->row) : x;
        spread_pixels(x, other, x + d->row, to, 0);
    }
    int32_t sums[PAIR * MOST_PIXELS];
    pairs_t p = {ws, {0, 0}, ws + pair_words, ws, -(d->row / 4) % 8 * STEP_BYTES};
    for (uint32_t next = 0; next < d->units; next += PAIR) {
        const uint32_t unit = next + PAIR > d->units ? d->units - PAIR : next; // the last but one twice
        const uint8_t *weights = d->weights + unit * d->row;
        p.bias[0] = d->bias[unit];
        p.bias[1] = d->bias[unit + 1];
        spread_weights(weights, weights + d->row, weights + d->row, ws, WEIGHTS);
        dot_pairs(xs, &p, sums);
        tw_outputs_pairs(&d->outputs, unit, sums, pixels, y + unit, d->units);
    }
}

// ---- a single pixel

typedef struct {
    uint32_t row;   // bytes
    uint32_t added; // WEIGHTS
    const uint32_t *xs_end;
    const int32_t *bias;
} units_t;

#define UNIT(acc) "uxtab16 r6, r3, r7\n uxtab16 r7, r3, r7, ror #8\n smlad " acc ", r6, r4, " acc "\n smlad " acc ", r7, r5, " acc "\n"
#define FOUR_UNITS                                                                     \
    "ldmia r0!, {r4, r5}\n ldr r7, [r1, r2]\n" UNIT("r9") "ldr r7, [r1, r2, lsl #1]\n" \
    UNIT("r10") "ldr r7, [r1, r12]\n" UNIT("r11") "ldr r7, [r1], #4\n" UNIT("r8")

// sums[unit] = bias[unit] + x . w for four rows of weights. 27 cycles for 16 taps.
TW_ASSEMBLY static void dot_units(const uint32_t *xs, const uint8_t *weights, const units_t *u, int32_t *sums) {
    (void)xs, (void)weights, (void)u, (void)sums;
    __asm__ volatile(".syntax unified\n"
                     "push {r3-r11, lr}\n"
                     "ldr r4, [r2, #12]\n ldmia r4, {r8-r11}\n ldrd r3, lr, [r2, #4]\n ldr r2, [r2]\n add r12, r2, r2, lsl #1\n"
                     "tst r2, #4\n beq 1f\n" FOUR_UNITS "cmp r0, lr\n beq 2f\n"
                     "1:\n" FOUR_UNITS FOUR_UNITS "cmp r0, lr\n bne 1b\n"
                     "2:\n pop {r3}\n stmia r3, {r8-r11}\n pop {r4-r11, pc}\n");
}

int32_t tw_dense_dot(const int8_t *x, const uint8_t *w, uint32_t taps, int32_t sum) {
    for (uint32_t fours = taps / 4; fours; --fours, x += 4, w += 4) {
        const uint32_t xs = tw_four(x), ws = tw_four(w) ^ 0x80808080;
        sum = tw_smlad(tw_odd_s8(xs), tw_odd_s8(ws), tw_smlad(tw_even_s8(xs), tw_even_s8(ws), sum));
    }
    for (uint32_t rest = taps % 4; rest; --rest) {
        sum = (int32_t)((uint32_t)sum + (uint32_t)(*x++ * (*w++ - 128)));
    }
    return sum;
}

// Sums of n units from `unit` on, of a pixel that is spread out (then they are at least UNITS), or of x.
static void sum_units(const tw_dense_t *d, const int8_t *x, const uint32_t *xs, uint32_t unit, uint32_t n, int32_t *sums) {
    for (uint32_t i = 0; i < n; i += xs ? UNITS : 1) {
        const uint32_t at = xs && i + UNITS > n ? n - UNITS : i; // some of the last ones twice
        const uint8_t *weights = d->weights + (unit + at) * d->row;
        if (xs) {
            const units_t u = {d->row, WEIGHTS, xs + d->row / 2, d->bias + unit + at};
            dot_units(xs, weights, &u, sums + at);
        } else {
            sums[at] = tw_dense_dot(x, weights, d->taps, d->bias[unit + at]);
        }
    }
}

static void run_pixel(const tw_dense_t *d, uint32_t pixel, int8_t *y) {
    uint32_t *xs = d->units >= UNITS && d->help.scratch_bytes >= 2 * d->row ? d->help.scratch : NULL;
    int8_t *room = tw_dense_roomy(d) ? (int8_t *)d->help.scratch + (xs ? d->row : 0) : NULL;
    const int8_t *x = xs ? whole_patch(d, pixel, room) : d->patch(d->from, pixel, room);
    if (xs) {
        spread(x, x + d->row, xs);
    }
    for (uint32_t unit = 0, n; unit < d->units; unit += n) {
        int32_t sums[MOST_UNITS];
        const uint32_t left = d->units - unit;
        n = left <= MOST_UNITS ? left : left < MOST_UNITS + UNITS ? MOST_UNITS - UNITS : MOST_UNITS;
        sum_units(d, x, xs, unit, n, sums);
        tw_outputs_row(&d->outputs, unit, sums, n, y + unit);
    }
}

void tw_dense_run(const tw_dense_t *d, uint32_t pixels, int8_t *y) {
    uint32_t most = d->units < PAIR ? 1 : MOST_PIXELS;
    while (most > 1 && d->help.scratch_bytes < group_bytes(d, most)) {
        most -= most > PAIR ? PAIR : 1;
    }
    for (uint32_t pixel = 0, n; pixel < pixels; pixel += n, y += n * d->units) {
        n = pixels - pixel < most ? pixels - pixel : most;
        if (n > 1) {
            run_group(d, pixel, n, y);
        } else {
            run_pixel(d, pixel, y);
        }
    }
}
#endif
