// SPDX-License-Identifier: MIT
// SMLAD multiplies two pairs of 16-bit lanes and adds both products. Of four bytes, the even ones and the odd ones become
// lanes, in one instruction each. Several pixels are spread out once for all units and two rows of weights once for all
// pixels, so that four sums of two pixels and two units take eight loads and eight SMLAD for sixteen taps.
#include "arch.h"

#if TW_ARMV7EM
#include "dense_arm.h"
#include "dsp_armv7em.h"

#define MOST_PIXELS 16
#define PAIR 2 // of units, and of pixels
#define STACK_TAPS 128 // of two rows of weights that are spread out, at most; more lie in scratch

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
    return (pixels + (d->row > STACK_TAPS ? PAIR : 0)) * 2 * d->row;
}

bool tw_dense_fits(const tw_dense_t *d) {
    return d->row <= 4 * STACK_TAPS || d->p->help.scratch_bytes >= d->row;
}

static void run_group(const tw_dense_t *d, const tw_outputs_t *outputs, uint32_t first, uint32_t pixels, int8_t *y) {
    const uint32_t pair_words = d->row; // PAIR lots of two lanes a word
    const uint32_t units = d->p->out.c;
    uint32_t *xs = d->p->help.scratch, *xs_end = xs + (pixels + 1) / PAIR * pair_words, here[STACK_TAPS];
    uint32_t *ws = d->row > STACK_TAPS ? xs_end : here;
    for (uint32_t i = 0, *to = xs; i < pixels; i += PAIR, to += pair_words) {
        int8_t *room = (int8_t *)ws;
        const int8_t *x = tw_dense_patch(d, first + i, room);
        // Where the last pair lacks its second pixel, that is the first one again, and has sums that nobody reads.
        const int8_t *other = i + 1 < pixels ? tw_dense_patch(d, first + i + 1, room + d->row) : x;
        spread_pixels(x, other, x + d->row, to, 0);
    }
    int32_t sums[PAIR * MOST_PIXELS];
    pairs_t p = {ws, {0, 0}, ws + pair_words, xs_end, -(d->row / 4) % 8 * STEP_BYTES};
    for (uint32_t next = 0; next < units; next += PAIR) {
        const uint32_t unit = next + PAIR > units ? units - PAIR : next; // the last but one twice
        const uint8_t *weights = d->p->weights + unit * d->row;
        p.bias[0] = d->p->bias[unit];
        p.bias[1] = d->p->bias[unit + 1];
        spread_weights(weights, weights + d->row, weights + d->row, ws, TW_WEIGHTS);
        dot_pairs(xs, &p, sums);
        tw_outputs_pairs(outputs, unit, sums, pixels, y + unit, units);
    }
}

// Where there is no room for lanes.
static void run_pixel(const tw_dense_t *d, const tw_outputs_t *outputs, uint32_t pixel, int8_t *y) {
    uint32_t here[STACK_TAPS];
    const int8_t *x = tw_dense_patch(d, pixel, d->row > sizeof here ? d->p->help.scratch : (void *)here);
    const uint8_t *weights = d->p->weights;
    for (uint32_t unit = 0; unit < d->p->out.c; ++unit, weights += d->row) {
        const int32_t sum = tw_dot(x, weights, d->row, d->p->bias[unit]);
        tw_outputs_row(outputs, unit, &sum, 1, y + unit);
    }
}

void tw_dense_run(const tw_dense_t *d, uint32_t pixels, int8_t *y) {
    const tw_conv_t *p = d->p;
    const tw_outputs_t outputs = {p->requant, 1, p->out.zero_point, p->act_min, p->act_max, p->help.bounded};
    uint32_t most = p->out.c < PAIR ? 0 : MOST_PIXELS;
    while (most && p->help.scratch_bytes < group_bytes(d, most)) {
        most -= PAIR;
    }
    for (uint32_t pixel = 0, n; pixel < pixels; pixel += n, y += n * p->out.c) {
        n = most == 0 ? 1 : pixels - pixel < most ? pixels - pixel : most;
        if (most) {
            run_group(d, &outputs, pixel, n, y);
        } else {
            run_pixel(d, &outputs, pixel, y);
        }
    }
}
#endif
