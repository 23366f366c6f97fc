// SPDX-License-Identifier: MIT
// DEPTHWISE_CONV_2D with 3 x 3 taps and steps of 1: channel by channel, from a plane of words that hold an element and the
// one below it, so that one multiplication does two taps (dense_armv6m.c). Strips of rows are computed in scratch and
// written when all of their channels are there, as the order of pixels asks for.
#include "arch.h"

#if TW_ARMV6M
#include "move.h"
#include "planes_armv6m.h"
#include "requant_armv6m.h"

#define HEIGHT (TW_PLANE_ROWS + 2) // of the input that a strip needs
#define PITCH (HEIGHT + 1)         // words of a column: the first one pairs what stands above it

typedef struct {
    int32_t row, back; // bytes to the next row of the input; from behind a column's last element to the next column
    uint32_t rows;     // of the input
    int32_t zero;
    uint32_t gap; // bytes from a column's last word to the next column's first one
    const uint32_t *end;
} columns_t;

// Of each column rows + 1 words, beginning and ending with the zero point in one half. 11 cycles a word.
TW_ASSEMBLY static void pair_up(const int8_t *x, uint32_t *to, const columns_t *c) {
    (void)x, (void)to, (void)c;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r7, lr}\n ldr r3, [r2]\n"
                     "1:\n ldr r7, [r2, #8]\n lsls r7, #2\n adds r7, r1\n ldr r4, [r2, #12]\n movs r6, #0\n"
                     "2:\n ldrsb r5, [r0, r6]\n adds r0, r3\n lsls r6, r5, #16\n adds r4, r6\n stmia r1!, {r4}\n"
                     "movs r4, r5\n movs r6, #0\n cmp r1, r7\n bne 2b\n"
                     "ldr r5, [r2, #12]\n lsls r5, #16\n adds r4, r5\n stmia r1!, {r4}\n"
                     "ldr r5, [r2, #16]\n adds r1, r5\n ldr r5, [r2, #4]\n adds r0, r5\n"
                     "ldr r5, [r2, #20]\n cmp r1, r5\n bne 1b\n"
                     "pop {r4-r7, pc}\n");
}

// Two outputs, one above the other, of three columns: 19 cycles for 6 multiplications. To the next column are 16 bytes less.
#define COLUMN(a, b)                                                                                                \
    "ldmia r0!, {r2-r5}\n mov r1, " a "\n muls r2, r1\n muls r3, r1\n mov r1, " b "\n muls r4, r1\n muls r5, r1\n" \
    "asrs r2, #16\n adcs r6, r2\n asrs r4, #16\n adcs r6, r4\n asrs r3, #16\n adcs r7, r3\n asrs r5, #16\n adcs r7, r5\n"

// Sums of `pairs` of rows of each column take the place of its first words.
TW_ASSEMBLY static void dot_plane(uint32_t *plane, const uint32_t *end, uint32_t pairs, const int32_t *filter) {
    (void)plane, (void)end, (void)pairs, (void)filter;
    __asm__ volatile(".syntax unified\n"
                     TW_SAVE
                     "lsls r2, #3\n"                  // bytes of a column's sums
                     "ldmia r3!, {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"
                     "ldmia r3!, {r4-r6}\n mov r12, r4\n mov lr, r5\n"
                     "push {r0-r2, r6}\n"              // column, end, bytes, bias
                     "1:\n ldr r0, [sp]\n adds r0, #4\n ldr r4, [sp, #8]\n adds r4, r0\n push {r4}\n"
                     "2:\n ldr r6, [sp, #16]\n mov r7, r6\n" COLUMN("r8", "r9") "adds r0, #%c0\n" COLUMN("r10", "r11")
                     "adds r0, #%c0\n" COLUMN("r12", "lr") "subs r0, #%c1\n stmia r0!, {r6, r7}\n"
                     "ldr r1, [sp]\n cmp r0, r1\n bne 2b\n"
                     "pop {r4}\n ldr r0, [sp]\n adds r0, #%c2\n str r0, [sp]\n ldr r1, [sp, #4]\n cmp r0, r1\n bne 1b\n"
                     "add sp, #16\n" TW_RESTORE
                     ::"i"(4 * PITCH - 16), "i"(8 * PITCH + 16), "i"(4 * PITCH));
}

static uint32_t plane_words(const tw_conv_t *p) {
    return (p->out.w + 2u) * PITCH;
}

bool tw_planes_fit(const tw_conv_t *p) {
    const uint32_t strip = (uint32_t)TW_PLANE_ROWS * p->out.w * p->out.c;
    return p->kernel_h == 3 && p->kernel_w == 3 && p->stride_h == 1 && p->stride_w == 1 && p->dilation_h == 1 &&
           p->dilation_w == 1 && p->help.scratch_bytes >= 4 * plane_words(p) + strip;
}

// 7 cycles for 3 words.
TW_ASSEMBLY static void put_words(uint32_t *to, const uint32_t *end, uint32_t word) {
    (void)to, (void)end, (void)word;
    __asm__ volatile(".syntax unified\n"
                     "push {r4, lr}\n movs r3, r2\n movs r4, r2\n b 2f\n"
                     "1:\n stmia r0!, {r2-r4}\n 2:\n cmp r0, r1\n bne 1b\n pop {r4, pc}\n");
}

// What is outside the input is the zero point, on both sides of it.
static void clear(uint32_t *plane, uint32_t columns, int32_t zero) {
    put_words(plane, plane + columns * PITCH, (uint32_t)zero * 0x10001u); // PITCH is a multiple of 3
}

// The plane of one channel's rows `top` to `top + HEIGHT` of the input, of which some may lie outside.
static void fill_plane(const tw_conv_t *p, const int8_t *x, int32_t top, uint32_t *plane) {
    const int32_t first = top < 0 ? 0 : top, end = top + HEIGHT > p->in.h ? p->in.h : top + HEIGHT;
    const int32_t width = p->out.w + 2 - p->pad_left < p->in.w ? p->out.w + 2 - p->pad_left : p->in.w;
    const int32_t row = p->in.w * p->in.c, rows = end - first;
    clear(plane, p->pad_left, p->in.zero_point); // where the sums of the channel before are
    if (rows < HEIGHT) {
        clear(plane, p->out.w + 2u, p->in.zero_point);
    }
    uint32_t *to = plane + p->pad_left * PITCH + (first - top);
    const columns_t c = {row, p->in.c - rows * row, (uint32_t)rows, p->in.zero_point, 4u * (PITCH - 1 - (uint32_t)rows),
        to + width * PITCH};
    if (rows > 0) {
        pair_up(x + first * row, to, &c);
    }
}

// Rows `top` to `top + rows` of the output, all channels, to `strip`.
static void run_strip(const tw_conv_t *p, const int8_t *x, int32_t top, uint32_t rows, uint32_t *plane, int8_t *strip) {
    const uint32_t channels = p->out.c, row = p->out.w * channels;
    tw_step_t step = {NULL, NULL, p->out.zero_point, p->act_min, p->act_max};
    for (uint32_t c = 0; c < channels; ++c) {
        int32_t filter[7];
        const int8_t *w = (const int8_t *)p->weights + c;
        for (uint32_t k = 0; k < 3; ++k, w += channels) {
            filter[2 * k] = w[0] * 65536 + w[3 * channels];
            filter[2 * k + 1] = w[6 * channels] * 65536;
        }
        filter[6] = p->bias[c];
        fill_plane(p, x + c, top - p->pad_top, plane);
        dot_plane(plane, plane + p->out.w * PITCH, (rows + 1) / 2, filter);
        step.multiplier = p->requant.multiplier + c;
        step.shift = p->requant.shift + c;
        tw_channel_t channel;
        tw_channel_prepare(&channel, &step);
        channel.columns = p->out.w;
        channel.sums_skip = 4 * (PITCH - rows);
        channel.y_skip = (int32_t)(channels - rows * row);
        tw_channel_run(&channel, (const int32_t *)plane + 1, rows, strip + c, row);
    }
}

void tw_planes_run(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    uint32_t *plane = p->help.scratch;
    int8_t *strip = (int8_t *)(plane + plane_words(p));
    const uint32_t row = (uint32_t)p->out.w * p->out.c;
    clear(plane, p->out.w + 2u, p->in.zero_point);
    for (uint32_t top = 0, rows; top < p->out.h; top += rows, y += rows * row) {
        rows = p->out.h - top < TW_PLANE_ROWS ? p->out.h - top : TW_PLANE_ROWS;
        run_strip(p, x, (int32_t)top, rows, plane, strip);
        tw_move(y, strip, rows * row);
    }
}
#endif
