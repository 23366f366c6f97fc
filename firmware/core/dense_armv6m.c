// SPDX-License-Identifier: MIT
// Where several pixels share a row of weights, one multiplication does two taps: with X = x2 + x0 * 2^16 and
// W = w0 + w2 * 2^16, the upper half of X * W is x0 * w0 + x2 * w2, less one where x2 * w0 is negative, and that bit is what
// a shift by 16 leaves in the carry.
#include "arch.h"

#if TW_ARMV6M
#include "dense_arm.h"
#include "channel_armv6m.h"

#define MOST_PIXELS 22
#define STACK_TAPS 128 // of packed weights, at most; more lie in scratch

static uint32_t group_bytes(const tw_dense_t *d, uint32_t pixels) {
    return pixels * (2 * d->row + 4) + (d->row > STACK_TAPS ? 2 * d->row : 0);
}

bool tw_dense_fits(const tw_dense_t *d) {
    return d->p->help.bounded && d->p->help.scratch_bytes >= group_bytes(d, 2);
}

// Of every four taps of a pixel two words, 2 and 0, and 1 and 3; those between belong to its partner. 16 cycles for them.
TW_ASSEMBLY static void pack_pixel(const int8_t *x, const int8_t *end, uint32_t *to) {
    (void)x, (void)end, (void)to;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r7, lr}\n mov r12, r1\n"
                     "movs r3, #255\n lsls r6, r3, #16\n orrs r3, r6\n" // MASK
                     "movs r6, #128\n lsls r4, r6, #16\n orrs r6, r4\n" // SIGNS
                     "lsls r1, r6, #8\n orrs r1, r6\n movs r7, #16\n"
                     "1:\n ldmia r0!, {r4}\n eors r4, r1\n lsrs r5, r4, #8\n ands r4, r3\n ands r5, r3\n rors r4, r7\n"
                     "subs r4, r6\n subs r5, r6\n stmia r2!, {r4, r5}\n adds r2, #8\n cmp r0, r12\n bne 1b\n"
                     "pop {r4-r7, pc}\n");
}

typedef struct {
    const uint8_t *weights;
    uint32_t row;  // taps
    int32_t start; // of every sum
    const uint32_t *xs_end;
    const tw_channel_t *channel;
    int32_t *sums; // room for them
    int8_t *y;
} pairs_t;

#define STEP                                                                                                        \
    "ldmia r1!, {r2, r3}\n"                                                                                         \
    "ldmia r0!, {r4, r5}\n muls r4, r2\n muls r5, r3\n asrs r4, #16\n adcs r6, r4\n asrs r5, #16\n adcs r6, r5\n" \
    "ldmia r0!, {r4, r5}\n muls r4, r2\n muls r5, r3\n asrs r4, #16\n adcs r7, r4\n asrs r5, #16\n adcs r7, r5\n"

// A unit's outputs of pairs of packed pixels one after the other; their sums are start + x . w. First the weights go to ws,
// 0 and 2, and 3 and 1 of every four, in 13 cycles. 21 cycles for 8 taps, and 15 a pair.
TW_ASSEMBLY static void run_unit(const uint32_t *xs, uint32_t *ws, const pairs_t *p) {
    (void)xs, (void)ws, (void)p;
    __asm__ volatile(".syntax unified\n"
                     TW_SAVE
                     "mov r9, r1\n ldmia r2!, {r4-r7}\n mov r8, r6\n mov r12, r7\n adds r6, r4, r5\n mov lr, r6\n"
                     "ldr r3, [r2, #4]\n mov r11, r3\n push {r2}\n"
                     "movs r3, #255\n lsls r6, r3, #16\n orrs r3, r6\n" // MASK
                     "movs r7, #128\n lsls r6, r7, #16\n orrs r7, r6\n" // SIGNS
                     "1:\n ldmia r4!, {r2}\n rev r6, r2\n ands r2, r3\n ands r6, r3\n subs r2, r7\n subs r6, r7\n"
                     "stmia r1!, {r2, r6}\n cmp r4, lr\n bne 1b\n"
                     "mov lr, r1\n"
                     "lsrs r5, #2\n negs r5, r5\n movs r6, #7\n ands r5, r6\n" // steps to leave out of the first round
                     "movs r6, #30\n muls r5, r6\n adr r6, 2f\n adds r5, r6\n adds r5, #1\n mov r10, r5\n"
                     "1:\n mov r6, r8\n mov r7, r8\n mov r1, r9\n bx r10\n"
                     ".balign 4\n"
                     "2:\n" STEP STEP STEP STEP STEP STEP STEP STEP
                     "cmp r1, lr\n bne 2b\n"
                     "mov r2, r11\n stmia r2!, {r6, r7}\n mov r11, r2\n"
                     "cmp r0, r12\n beq 3f\n b 1b\n"
                     "3:\n pop {r3}\n ldmia r3!, {r0, r1, r2}\n bl tw_channel_run\n");
}

static void run_group(const tw_dense_t *d, uint32_t first, uint32_t pixels, int8_t *y) {
    const uint32_t pair_words = d->row; // two pixels, two taps a word
    const tw_conv_t *c = d->p;
    uint32_t *xs = c->help.scratch;
    int32_t *sums = (int32_t *)(xs + (pixels + 1) / 2 * pair_words);
    uint32_t here[STACK_TAPS / 2], *ws = d->row > STACK_TAPS ? (uint32_t *)sums + (pixels + 1) / 2 * 2 : here;
    uint32_t *to = xs;
    for (uint32_t i = 0; i < pixels; ++i, to += i & 1 ? 2 : pair_words - 2) {
        const int8_t *x = tw_dense_patch(d, first + i, (int8_t *)ws);
        pack_pixel(x, x + d->row, to);
    }
    // Where the last pair lacks its second pixel, it has sums that nobody reads.
    tw_channel_t channel = {{c->requant.multiplier, c->requant.shift, c->out.zero_point, c->act_min, c->act_max},
        c->out.c, 4 * pixels, 1, 0, 0};
    pairs_t p = {c->weights, d->row, 0, (uint32_t *)sums, &channel, sums, y};
    for (const int32_t *bias = c->bias, *end = bias + c->out.c; bias < end; ++p.y, p.weights += d->row) {
        p.start = *bias++;
        run_unit(xs, ws, &p);
        channel.step.multiplier++;
        channel.step.shift++;
    }
}

void tw_dense_run(const tw_dense_t *d, uint32_t pixels, int8_t *y) {
    uint32_t most = MOST_PIXELS;
    while (most > 2 && d->p->help.scratch_bytes < group_bytes(d, most)) {
        most -= 2;
    }
    for (uint32_t pixel = 0, n; pixel < pixels; pixel += n, y += n * d->p->out.c) {
        n = pixels - pixel < most ? pixels - pixel : most;
        run_group(d, pixel, n, y);
    }
}
#endif
