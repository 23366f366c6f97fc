// SPDX-License-Identifier: MIT
// Where several pixels share a row of weights, one multiplication does two taps: with X = x2 + x0 * 2^16 and
// W = w0 + w2 * 2^16, the upper half of X * W is x0 * w0 + x2 * w2, less one where x2 * w0 is negative, and that bit is what
// a shift by 16 leaves in the carry. A single pixel takes one multiplication a tap, with weights that need no unpacking: of
// a word Z of four weights' bytes, sum x_i * byte_i = sum (x_i - 256 * x_{i-1}) * (Z >> 8i), modulo 2^32.
#include "arch.h"

#if TW_ARMV6M
#include "dense_armv6m.h"
#include "channel_armv6m.h"

#define MOST_PIXELS 22
#define UNITS 4 // that a single pixel takes at a time
#define MOST_UNITS 16 // requantised together

static uint32_t group_bytes(const tw_dense_t *d, uint32_t pixels) {
    return pixels * (2 * d->row + 4) + 2 * d->row;
}

bool tw_dense_fits(const tw_dense_t *d, uint32_t pixels) {
    const uint32_t bytes = d->help.scratch_bytes;
    return d->help.bounded && d->units >= UNITS && (bytes >= 4 * d->row || (pixels > 1 && bytes >= group_bytes(d, 2)));
}

// ---- several pixels

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
    uint32_t *xs = d->help.scratch;
    uint32_t *ws = xs + (pixels + 1) / 2 * pair_words;
    uint32_t *to = xs;
    for (uint32_t i = 0; i < pixels; ++i, to += i & 1 ? 2 : pair_words - 2) {
        const int8_t *x = d->patch(d->from, first + i, (int8_t *)ws);
        pack_pixel(x, x + d->row, to);
    }
    // Where the last pair lacks its second pixel, it has sums that nobody reads.
    tw_channel_t channel = {{d->requant.multiplier, d->requant.shift, d->out_zero, d->act_min, d->act_max},
        (int32_t)d->units, 4 * pixels, 1, 0, 0};
    pairs_t p = {d->weights, d->row, 0, ws, &channel, (int32_t *)(ws + d->row / 2), y};
    for (const int32_t *bias = d->bias, *end = bias + d->units; bias < end; ++p.y, p.weights += d->row) {
        p.start = *bias++;
        run_unit(xs, ws, &p);
        channel.step.multiplier += d->per_channel;
        channel.step.shift += d->per_channel;
    }
}

// ---- a single pixel

// Words for dot_units: of four taps x_0, x_1 - 256 * x_0, x_2 - 256 * x_1, x_3 - 256 * x_2. Returns their sum. 28 cycles for
// them. x may lie in the last quarter of what it is spread to: a word is read before it is written over.
TW_ASSEMBLY static int32_t spread_pixel(const int8_t *x, const int8_t *end, int32_t *to) {
    (void)x, (void)end, (void)to;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r7, lr}\n movs r3, #0\n mov r12, r3\n"
                     "1:\n ldmia r0!, {r7}\n sxtb r4, r7\n lsls r5, r7, #16\n asrs r5, #24\n"
                     "lsls r6, r7, #8\n asrs r6, #24\n asrs r7, #24\n"
                     "add r12, r4\n add r12, r5\n add r12, r6\n add r12, r7\n"
                     "lsls r3, r6, #8\n subs r7, r3\n lsls r3, r5, #8\n subs r6, r3\n lsls r3, r4, #8\n subs r5, r3\n"
                     "stmia r2!, {r4-r7}\n cmp r0, r1\n bne 1b\n"
                     "mov r0, r12\n pop {r4-r7, pc}\n");
}

#define UNIT(acc)                                                                                                   \
    "ldr r2, [r1]\n"                                                                                                \
    "lsrs r3, r2, #8\n muls r3, r5\n add " acc ", r3\n lsrs r3, r2, #16\n muls r3, r6\n add " acc ", r3\n"         \
    "lsrs r3, r2, #24\n muls r3, r7\n add " acc ", r3\n muls r2, r4\n add " acc ", r2\n"

typedef struct {
    uint32_t row;  // bytes from one row of weights to the next
    int32_t base;  // of every sum, with
    const int32_t *bias; // its own
} units_t;

// sums[unit] = base + bias[unit] + x . bytes of four rows of weights. 66 cycles for 16 taps.
TW_ASSEMBLY static void dot_units(const int32_t *xs, const uint8_t *weights, const units_t *u, int32_t *sums) {
    (void)xs, (void)weights, (void)u, (void)sums;
    __asm__ volatile(".syntax unified\n"
                     TW_SAVE "push {r3}\n"
                     "ldmia r2!, {r3, r4, r5}\n mov r12, r3\n"
                     "lsls r2, r3, #2\n adds r2, r0\n push {r2}\n" // end of xs
                     "lsls r2, r3, #1\n adds r2, r3\n negs r2, r2\n adds r2, #4\n mov lr, r2\n"
                     "ldmia r5!, {r2, r3, r6, r7}\n adds r2, r4\n adds r3, r4\n adds r6, r4\n adds r7, r4\n"
                     "mov r8, r2\n mov r9, r3\n mov r10, r6\n mov r11, r7\n"
                     "1:\n ldmia r0!, {r4-r7}\n" UNIT("r8") "add r1, r12\n" UNIT("r9") "add r1, r12\n" UNIT("r10")
                     "add r1, r12\n" UNIT("r11") "add r1, lr\n"
                     "ldr r2, [sp]\n cmp r0, r2\n bne 1b\n"
                     "mov r0, r8\n mov r1, r9\n mov r2, r10\n mov r3, r11\n"
                     "ldr r4, [sp, #4]\n stmia r4!, {r0-r3}\n add sp, #8\n" TW_RESTORE);
}

static void run_pixel(const tw_dense_t *d, uint32_t pixel, int8_t *y) {
    int32_t *xs = d->help.scratch;
    const int8_t *x = d->patch(d->from, pixel, (int8_t *)(xs + d->row) - d->row);
    const int32_t base = -128 * spread_pixel(x, x + d->row, xs);
    for (uint32_t unit = 0, n; unit < d->units; unit += n) {
        int32_t sums[MOST_UNITS];
        const uint32_t left = d->units - unit;
        n = left <= MOST_UNITS ? left : left < MOST_UNITS + UNITS ? MOST_UNITS - UNITS : MOST_UNITS;
        for (uint32_t i = 0; i < n; i += UNITS) {
            const uint32_t at = i + UNITS > n ? n - UNITS : i; // some of the last ones twice
            const units_t u = {d->row, base, d->bias + unit + at};
            dot_units(xs, d->weights + (unit + at) * d->row, &u, sums + at);
        }
        const uint32_t q = d->per_channel ? unit : 0;
        const tw_step_t step = {d->requant.multiplier + q, d->requant.shift + q, d->out_zero, d->act_min, d->act_max};
        const uint32_t same = d->per_channel ? n : 1; // a multiplier is taken for as many
        for (uint32_t i = 0; i < n; i += same) {
            tw_requant_channels(&step, sums + i, same, y + unit + i);
        }
    }
}

void tw_dense_run(const tw_dense_t *d, uint32_t pixels, int8_t *y) {
    uint32_t most = MOST_PIXELS;
    while (most > 1 && d->help.scratch_bytes < group_bytes(d, most)) {
        most -= 2;
    }
    for (uint32_t pixel = 0; pixel < pixels;) {
        const uint32_t left = pixels - pixel, group = left < most ? left : most;
        if (group > 1) {
            run_group(d, pixel, group, y);
            pixel += group;
            y += group * d->units;
        } else {
            run_pixel(d, pixel, y);
            pixel += 1;
            y += d->units;
        }
    }
}
#endif
