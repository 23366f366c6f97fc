// SPDX-License-Identifier: MIT
// DEPTHWISE_CONV_2D on armv6m: four channels at a time, of which input and weights hold a word each.
#include "arch.h"

#if TW_ARMV6M
#include "planes_armv6m.h"
#include "requant_armv6m.h"

#define CHANNELS 32 // requantised together

// A rectangle of taps. The steps lead to the next tap of a row, and from behind a row's last tap to the next row.
typedef struct {
    int32_t x_step, w_step, columns, x_row, w_row, rows;
    uint32_t groups, x_group; // of four channels; bytes from one to the next, 0: all read the same
} taps_t;

// sums[channel] += x . w over all taps, for each channel of the groups. 29 cycles for 4 multiplications.
TW_ASSEMBLY static void dot_taps(const int8_t *x, const int8_t *w, int32_t *sums, const taps_t *t) {
    (void)x, (void)w, (void)sums, (void)t;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r7, lr}\n mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n"
                     "ldr r4, [r3]\n mov r12, r4\n ldr r4, [r3, #4]\n mov lr, r4\n ldr r6, [r3, #24]\n"
                     "3:\n push {r0-r3, r6}\n" // of this group
                     "ldmia r2!, {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"
                     "mov r7, r3\n ldr r6, [r7, #20]\n"
                     "1:\n push {r6}\n ldr r6, [r7, #8]\n"
                     "2:\n ldr r2, [r0]\n ldr r3, [r1]\n add r0, r12\n add r1, lr\n"
                     "sxtb r4, r2\n sxtb r5, r3\n muls r4, r5\n add r8, r4\n"
                     "lsls r4, r2, #16\n lsls r5, r3, #16\n asrs r4, #24\n asrs r5, #24\n muls r4, r5\n add r9, r4\n"
                     "lsls r4, r2, #8\n lsls r5, r3, #8\n asrs r4, #24\n asrs r5, #24\n muls r4, r5\n add r10, r4\n"
                     "asrs r2, #24\n asrs r3, #24\n muls r2, r3\n add r11, r2\n"
                     "subs r6, #1\n bne 2b\n"
                     "ldr r4, [r7, #12]\n adds r0, r4\n ldr r4, [r7, #16]\n adds r1, r4\n"
                     "pop {r6}\n subs r6, #1\n bne 1b\n"
                     "pop {r0-r3}\n mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n stmia r2!, {r4-r7}\n"
                     "ldr r4, [r3, #28]\n adds r0, r4\n adds r1, #4\n pop {r6}\n subs r6, #1\n bne 3b\n"
                     "pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4-r7, pc}\n");
}

// Taps from `first` to before `end` of a kernel's axis; of those, from `in` to before `out` lie inside the input.
typedef struct {
    int32_t in, out, end;
    int32_t start; // where tap 0 lies
} axis_t;

static axis_t axis(int32_t start, int32_t size, int32_t kernel, int32_t dilation) {
    axis_t a = {0, kernel, kernel, start};
    while (a.in < kernel && start + a.in * dilation < 0) {
        a.in++;
    }
    while (a.out > a.in && start + (a.out - 1) * dilation >= size) {
        a.out--;
    }
    return a;
}

typedef struct {
    const tw_conv_t *p;
    const int8_t *x;
    uint32_t outside[1]; // four zero points
} input_t;

// Adds taps [y0, y1) x [x0, x1) of n channels from c on; at is where the first one's input lies, NULL: outside.
static void add_taps(const input_t *s, const int8_t *at, uint32_t c, uint32_t n, const int32_t rect[4], int32_t *sums) {
    const tw_conv_t *p = s->p;
    const int32_t rows = rect[1] - rect[0], columns = rect[3] - rect[2], channels = p->in.c;
    if (rows <= 0 || columns <= 0) {
        return;
    }
    const int32_t x_step = p->dilation_w * channels, x_row = p->dilation_h * p->in.w * channels;
    const bool upright = p->kernel_w == 1; // a column of taps is read as a row
    const taps_t t = {at ? (upright ? x_row : x_step) : 0, channels, upright ? rows : columns,
        at ? x_row - columns * x_step : 0, (p->kernel_w - columns) * channels, upright ? 1 : rows, n / 4, at ? 4 : 0};
    const int8_t *w = (const int8_t *)p->weights + (rect[0] * p->kernel_w + rect[2]) * channels + (int32_t)c;
    dot_taps(at ? at : (const int8_t *)s->outside, w, sums, &t);
}

static void run_channels(const input_t *s, const axis_t *v, const axis_t *h, uint32_t first, uint32_t n, int8_t *y) {
    const tw_conv_t *p = s->p;
    int32_t sums[CHANNELS];
    const int8_t *x = s->x + ((v->start + v->in * p->dilation_h) * p->in.w + h->start + h->in * p->dilation_w) * p->in.c;
    const bool inside = v->in == 0 && v->out == v->end && h->in == 0 && h->out == h->end;
    for (uint32_t i = 0; i < n; ++i) {
        sums[i] = p->bias[first + i];
    }
    add_taps(s, x + first, first, n, (const int32_t[]){v->in, v->out, h->in, h->out}, sums);
    if (!inside) {
        add_taps(s, NULL, first, n, (const int32_t[]){0, v->in, 0, h->end}, sums);
        add_taps(s, NULL, first, n, (const int32_t[]){v->out, v->end, 0, h->end}, sums);
        add_taps(s, NULL, first, n, (const int32_t[]){v->in, v->out, 0, h->in}, sums);
        add_taps(s, NULL, first, n, (const int32_t[]){v->in, v->out, h->out, h->end}, sums);
    }
    const tw_step_t step = {
        p->requant.multiplier + first, p->requant.shift + first, p->out.zero_point, p->act_min, p->act_max};
    tw_requant_channels(&step, sums, n, y + first);
}

void tw_depthwise_armv6m(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const uint32_t channels = p->out.c;
    if (p->help.bounded && channels == p->in.c && tw_planes_fit(p)) {
        tw_planes_run(p, x, y);
        return;
    }
    if (!p->help.bounded || channels != p->in.c || channels % 4 || (uintptr_t)x % 4 || (uintptr_t)p->weights % 4) {
        tw_depthwise_s8(p, x, y);
        return;
    }
    const input_t s = {p, x, {(uint8_t)p->in.zero_point * 0x01010101u}};
    for (int32_t oy = 0; oy < p->out.h; ++oy) {
        const axis_t v = axis(oy * p->stride_h - p->pad_top, p->in.h, p->kernel_h, p->dilation_h);
        for (int32_t ox = 0; ox < p->out.w; ++ox, y += channels) {
            const axis_t h = axis(ox * p->stride_w - p->pad_left, p->in.w, p->kernel_w, p->dilation_w);
            for (uint32_t c = 0; c < channels; c += CHANNELS) {
                run_channels(&s, &v, &h, c, channels - c < CHANNELS ? channels - c : CHANNELS, y);
            }
        }
    }
}
#endif
