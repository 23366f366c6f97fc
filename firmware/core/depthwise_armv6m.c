// SPDX-License-Identifier: MIT
// DEPTHWISE_CONV_2D on armv6m: four channels at a time, of which input and weights hold a word each.
#include "arch.h"

#if TW_ARMV6M
#include "dense_arm.h"
#include "planes_armv6m.h"
#include "requant_armv6m.h"

#define CHANNELS 64 // requantised together

// Rows of taps, each in one piece, and the rows of the weights too.
typedef struct {
    int32_t back;       // bytes from behind a row to its first tap, below 0
    int32_t x_row;      // from a row to the next
    int32_t channels, rows;
    int32_t start;      // bytes from a sum to what it starts with
    uint32_t x_group;   // bytes from four channels to the next ones, 0: all read the same
    const int32_t *end; // of the sums
} taps_t;

// Sums of x . w over all taps, for each channel, four at a time. x and w lie behind the first row. 27 cycles for 4
// multiplications, 11 a row, and 45.
TW_ASSEMBLY static void dot_taps(const int8_t *x, const int8_t *w, int32_t *sums, const taps_t *t) {
    (void)x, (void)w, (void)sums, (void)t;
    __asm__ volatile(".syntax unified\n"
                     TW_SAVE
                     "ldmia r3!, {r4-r6}\n mov r12, r4\n mov lr, r5\n"
                     "3:\n ldr r7, [r3]\n push {r0-r3, r7}\n" // of these four
                     "ldr r4, [r3, #4]\n adds r2, r4\n ldmia r2, {r2, r4, r5, r7}\n"
                     "mov r8, r2\n mov r9, r4\n mov r10, r5\n mov r11, r7\n"
                     "1:\n mov r7, r12\n"
                     "2:\n ldr r2, [r0, r7]\n ldr r3, [r1, r7]\n"
                     "sxtb r4, r2\n sxtb r5, r3\n muls r4, r5\n add r8, r4\n"
                     "lsls r4, r2, #16\n lsls r5, r3, #16\n asrs r4, #24\n asrs r5, #24\n muls r4, r5\n add r9, r4\n"
                     "lsls r4, r2, #8\n lsls r5, r3, #8\n asrs r4, #24\n asrs r5, #24\n muls r4, r5\n add r10, r4\n"
                     "asrs r2, #24\n asrs r3, #24\n muls r2, r3\n add r11, r2\n"
                     "adds r7, r6\n bne 2b\n"
                     "add r0, lr\n mov r2, r12\n subs r1, r2\n"
                     "ldr r2, [sp, #16]\n subs r2, #1\n str r2, [sp, #16]\n bne 1b\n"
                     "pop {r0-r3, r7}\n mov r4, r8\n mov r5, r9\n stmia r2!, {r4, r5}\n"
                     "mov r4, r10\n mov r5, r11\n stmia r2!, {r4, r5}\n"
                     "ldr r4, [r3, #8]\n adds r0, r4\n adds r1, #4\n ldr r4, [r3, #12]\n cmp r2, r4\n bne 3b\n"
                     TW_RESTORE);
}

typedef struct {
    const tw_conv_t *p;
    uint32_t outside[1];   // four zero points
    int32_t x_step, x_row; // from tap to tap; a kernel one tap wide is read as a row
    int32_t *sums;
    const int32_t *end; // of them
    int32_t start;      // of the next ones: bytes to it
} input_t;

// Whether taps of a row lie side by side.
static bool side_by_side(const input_t *s) {
    return s->x_step == s->p->in.c;
}

// Adds taps of input x, NULL: outside. Several rows are whole ones, in one piece.
static void add_taps(input_t *s, const int8_t *x, const int8_t *w, int32_t columns, int32_t rows) {
    if (columns > 0) {
        const int32_t channels = s->p->in.c;
        taps_t t = {-channels, 0, channels, columns, s->start, 0, s->end}; // a row each
        if (x) {
            t.x_group = 4;
            t.x_row = s->x_step;
            if (side_by_side(s)) {
                t.back *= columns;
                t.x_row = s->x_row;
                t.rows = rows;
            }
        }
        dot_taps((x ? x : (const int8_t *)s->outside) - t.back, w - t.back, s->sums, &t);
        s->start = 0;
    }
}

// Channels from `first` on, of a pixel whose rows of taps lie along v and the taps of one along h.
__attribute__((noinline)) static void run_channels(
    input_t *s, const tw_axis_t *v, const tw_axis_t *h, const int8_t *x, uint32_t first) {
    const int32_t channels = s->p->in.c;
    const int8_t *w = (const int8_t *)s->p->weights + first;
    s->start = (const char *)(s->p->bias + first) - (char *)s->sums;
    if (v->out - v->in == v->end && h->out - h->in == h->end && side_by_side(s)) {
        add_taps(s, x, w, h->end, v->end);
        return;
    }
    for (int32_t row = 0; row < v->end; ++row, x += s->x_row, w += h->end * channels) {
        const bool inside = row >= v->in && row < v->out;
        const int32_t in = inside ? h->in : 0, out = inside ? h->out : 0;
        add_taps(s, NULL, w, in, 1);
        add_taps(s, x + in * s->x_step, w + in * channels, out - in, 1);
        add_taps(s, NULL, w + out * channels, h->end - out, 1);
    }
}

void tw_depthwise_armv6m(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const uint32_t channels = p->out.c;
    const bool known = p->help.bounded && channels == p->in.c;
    if (known && tw_planes_fit(p)) {
        tw_planes_run(p, x, y);
        return;
    }
    if (!known || (channels | (uintptr_t)x | (uintptr_t)p->weights) % 4) {
        tw_depthwise_s8(p, x, y);
        return;
    }
    int32_t sums[CHANNELS];
    const int32_t x_column = p->dilation_w * (int32_t)channels, x_row = p->dilation_h * p->in.w * (int32_t)channels;
    const bool upright = p->kernel_w == 1;
    input_t s = {p, {(uint8_t)p->in.zero_point * 0x01010101u}, upright ? x_row : x_column, upright ? x_column : x_row,
        sums, sums, 0};
    for (int32_t oy = 0; oy < p->out.h; ++oy) {
        const tw_axis_t v = tw_dense_axis(oy * p->stride_h - p->pad_top, p->in.h, p->kernel_h, p->dilation_h);
        for (int32_t ox = 0; ox < p->out.w; ++ox, y += channels) {
            const tw_axis_t h = tw_dense_axis(ox * p->stride_w - p->pad_left, p->in.w, p->kernel_w, p->dilation_w);
            const int8_t *at = x + (v.start * p->in.w + h.start) * (int32_t)channels;
            for (uint32_t c = 0; c < channels; c += CHANNELS) {
                const uint32_t n = channels - c < CHANNELS ? channels - c : CHANNELS;
                s.end = sums + n;
                run_channels(&s, upright ? &h : &v, upright ? &v : &h, at + c, c);
                const tw_step_t step = {
                    p->requant.multiplier + c, p->requant.shift + c, p->out.zero_point, p->act_min, p->act_max};
                tw_requant_channels(&step, sums, n, y + c);
            }
        }
    }
}
#endif
