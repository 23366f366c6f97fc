// SPDX-License-Identifier: MIT
// DEPTHWISE_CONV_2D with 3 x 3 taps and steps of 1: four channels at a time are spread out as lanes that hold an element and
// the one below it, so that of each column two words serve two outputs, one above the other: six products in four
// instructions. Strips of rows are computed in scratch and written when all of their channels are there, as the order of
// pixels asks for.
#include "arch.h"

#if TW_ARMV7EM
#include "move.h"
#include "planes_armv7em.h"

#define MOST_ROWS 6
#define GROUP 4         // channels
#define COLUMN_BYTES 32 // of a pair of outputs' rows: of each channel the upper two elements, then of each the lower two

// Bytes of what `rows` of output are computed from, and in.
static uint32_t planes_bytes(const tw_conv_t *p, uint32_t rows) {
    return rows / 2 * COLUMN_BYTES * (p->out.w + 2u) + rows * p->out.w * p->out.c;
}

uint32_t tw_planes_rows(const tw_conv_t *p) {
    uint32_t rows = MOST_ROWS;
    while (rows && p->help.scratch_bytes < planes_bytes(p, rows)) {
        rows -= 2;
    }
    return p->kernel_h == 3 && p->kernel_w == 3 && p->stride_h == 1 && p->stride_w == 1 && p->dilation_h == 1 &&
                   p->dilation_w == 1 && p->in.c == p->out.c && p->in.c % GROUP == 0
               ? rows
               : 0;
}

// Where columns come from, of two rows: bytes from a pixel to the next one, 0 where all are the same.
typedef struct {
    int32_t upper, lower;
    const int32_t *end; // of what they become
} columns_t;

// Writes them to two places. 25 cycles for a column of four channels.
TW_ASSEMBLY static void pair_up(
    const int8_t *upper, const int8_t *lower, int32_t *to, int32_t *again, const columns_t *c) {
    (void)upper, (void)lower, (void)to, (void)again, (void)c;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r9, lr}\n ldr r9, [sp, #28]\n ldm r9, {r8, r9, lr}\n"
                     "1:\n ldr r6, [r0]\n ldr r7, [r1]\n add r0, r8\n add r1, r9\n"
                     "pkhbt r5, r6, r7, lsl #16\n pkhtb r7, r7, r6, asr #16\n"
                     "sxtb16 r4, r5\n sxtb16 r5, r5, ror #8\n sxtb16 r6, r7\n sxtb16 r7, r7, ror #8\n"
                     "stm r2, {r4-r7}\n stm r3, {r4-r7}\n adds r2, #32\n adds r3, #32\n cmp r2, lr\n bne 1b\n"
                     "pop {r4-r9, pc}\n");
}

// Columns of rows iy and iy + 1 of four channels, where they lie in the width of the input.
static void pair_rows(const tw_conv_t *p, const int8_t *x, int32_t iy, int32_t *to, int32_t *again) {
    const uint32_t outside = (uint8_t)p->in.zero_point * 0x01010101u;
    const int32_t channels = p->in.c, row = p->in.w * channels, last = p->out.w + 2 - p->pad_left;
    const int32_t n = last < p->in.w ? last : p->in.w, first = p->pad_left * (COLUMN_BYTES / 4);
    const bool upper = iy >= 0 && iy < p->in.h, lower = iy >= -1 && iy + 1 < p->in.h;
    const columns_t c = {upper ? channels : 0, lower ? channels : 0, to + first + n * (COLUMN_BYTES / 4)};
    pair_up(upper ? x + iy * row : (const int8_t *)&outside, lower ? x + (iy + 1) * row : (const int8_t *)&outside,
        to + first, again + first, &c);
}

// Outputs of a channel, two rows at a time.
typedef struct {
    int32_t bias[2];         // twice the same
    uint32_t row, pixel;     // bytes of a row of outputs, and of one
    uint32_t columns, pairs; // bytes of a row of columns that begin outputs; rows of them
    uint32_t filter[6];      // of each column taps 0 and 1, and taps 1 and 2
    tw_scale_t scale;
} channel_t;

#define COLUMN(upper, lower, w01, w12)                                                                              \
    "ldr r10, [r0, #" upper "]\n ldr r11, [r0, #" lower "]\n"                                                       \
    "smlad r2, r10, " w01 ", r2\n smlabt r2, r11, " w12 ", r2\n smlatb r3, r10, " w01 ", r3\n smlad r3, r11, " w12 ", r3\n"

// 48 cycles for two outputs.
TW_ASSEMBLY static void dot_columns(const int32_t *columns, int8_t *y, const channel_t *c) {
    (void)columns, (void)y, (void)c;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r11, lr}\n"
                     "ldr r3, [r2, #56]\n ldmia r2!, {r4-r9}\n push {r3-r9}\n" // k, bias, bias, row, pixel, columns, pairs
                     "ldmia r2, {r4-r9, r12, lr}\n sub sp, #4\n"
                     "1:\n ldr r2, [sp, #24]\n add r2, r0\n str r2, [sp]\n" // the end of this row
                     "2:\n ldrd r2, r3, [sp, #8]\n" COLUMN("0", "16", "r4", "r5") COLUMN("32", "48", "r6", "r7")
                     COLUMN("64", "80", "r8", "r9") "adds r0, #32\n ldr r11, [sp, #4]\n"
                     TW_SCALE("r10", "r2", "r12", "lr", "r11") "strb r10, [r1]\n"
                     TW_SCALE("r10", "r3", "r12", "lr", "r11") "ldr r2, [sp, #16]\n ldr r3, [sp, #20]\n ldr r11, [sp]\n"
                     "strb r10, [r1, r2]\n add r1, r3\n cmp r0, r11\n bne 2b\n"
                     "adds r0, #64\n add r1, r2\n"
                     "ldr r2, [sp, #28]\n subs r2, #1\n str r2, [sp, #28]\n bne 1b\n"
                     "add sp, #32\n pop {r4-r11, pc}\n");
}


static uint32_t lanes(int32_t low, int32_t high) {
    return (uint16_t)low | (uint32_t)high << 16;
}

// Returns whether this channel can be done.
static bool take_channel(const tw_conv_t *p, const tw_outputs_t *o, uint32_t channel, channel_t *c) {
    const uint32_t row = 3u * p->out.c;
    const int8_t *w = (const int8_t *)p->weights + channel;
    for (uint32_t *filter = c->filter; filter < c->filter + 6; filter += 2, w += p->out.c) {
        filter[0] = lanes(w[0], w[row]);
        filter[1] = lanes(w[row], w[2 * row]);
    }
    c->bias[0] = c->bias[1] = p->bias[channel];
    return tw_outputs_scale(o, channel, &c->scale);
}

bool tw_planes_run(const tw_conv_t *p, const tw_outputs_t *o, uint32_t rows, const int8_t *x, int8_t *y) {
    const uint32_t channels = p->out.c, row = p->out.w * channels;
    channel_t channel = {.row = row, .pixel = channels, .columns = p->out.w * (uint32_t)COLUMN_BYTES};
    for (uint32_t c = 0; c < channels; ++c) {
        if (!take_channel(p, o, c, &channel)) {
            return false;
        }
    }
    const uint32_t pitch = (p->out.w + 2u) * (COLUMN_BYTES / 4);
    int32_t *planes = p->help.scratch;
    int8_t *strip = (int8_t *)(planes + rows / 2 * pitch);
    for (int32_t *word = planes; word < planes + rows / 2 * pitch; ++word) {
        *word = (int32_t)lanes(p->in.zero_point, p->in.zero_point); // columns beside the input stay so
    }
    for (uint32_t oy = 0, n; oy < p->out.h; oy += n, y += n * row) {
        n = p->out.h - oy < rows ? p->out.h - oy : rows;
        const uint32_t pairs = (n + 1) / 2; // of the last one, perhaps, only the upper row is wanted
        channel.pairs = pairs;
        for (uint32_t c = 0; c < channels; ++c) {
            for (uint32_t i = 0; c % GROUP == 0 && i <= pairs; ++i) { // upper elements of this pair, lower of the one before
                int32_t *upper = planes + (i < pairs ? i * pitch : (i - 1) * pitch + GROUP);
                int32_t *lower = i ? planes + (i - 1) * pitch + GROUP : upper;
                pair_rows(p, x + c, (int32_t)(oy + 2 * i) - p->pad_top, upper, lower);
            }
            take_channel(p, o, c, &channel);
            dot_columns(planes + c % GROUP, strip + c, &channel);
        }
        tw_outputs_limit(o, n * row, strip);
        tw_move(y, strip, n * row);
    }
    return true;
}
#endif
