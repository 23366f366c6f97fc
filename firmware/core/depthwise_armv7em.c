// SPDX-License-Identifier: MIT
// DEPTHWISE_CONV_2D on armv7em: four channels at a time, of which input and weights hold a word each; of two taps' words
// come four, each with one channel's bytes of both, for one SMLAD.
#include "arch.h"

#if TW_ARMV7EM
#include "dense_arm.h"
#include "planes_armv7em.h"

#define CHANNELS 32 // requantised together

// A rectangle of taps. The steps lead to the next tap of a row, and from behind a row's last tap to the next row.
typedef struct {
    int32_t x_step, w_step, columns, x_row, w_row, rows;
    uint32_t x_group, groups; // of four channels; bytes from one to the next, 0: all read the same
    const int32_t *from;      // what their sums begin with
} taps_t;

// sums[channel] = from[channel] + x . w over all taps. 13 cycles a tap of four channels, and 9 more a row.
TW_ASSEMBLY static void dot_taps(const int8_t *x, const int8_t *w, int32_t *sums, const taps_t *t) {
    (void)x, (void)w, (void)sums, (void)t;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r11, lr}\n ldrd r12, lr, [r3]\n ldrd r4, r5, [r3, #28]\n"
                     "push {r0-r5}\n sub sp, #8\n" // rows, columns, x, w, sums, t, groups, from
                     "0:\n ldr r9, [sp, #28]\n ldmia r9!, {r4-r7}\n str r9, [sp, #28]\n ldr r8, [r3, #20]\n"
                     "1:\n str r8, [sp]\n ldr r2, [r3, #8]\n"
                     "tst r2, #1\n beq 2f\n"
                     "ldr r8, [r0]\n ldr r9, [r1]\n add r0, r12\n add r1, lr\n"
                     "sxtb16 r10, r8\n sxtb16 r11, r9\n sxtb16 r8, r8, ror #8\n sxtb16 r9, r9, ror #8\n"
                     "smlabb r4, r10, r11, r4\n smlatt r6, r10, r11, r6\n smlabb r5, r8, r9, r5\n smlatt r7, r8, r9, r7\n"
                     "2:\n subs r2, #2\n blt 4f\n"
                     "3:\n ldr r8, [r0]\n ldr r9, [r0, r12]\n ldr r10, [r1]\n ldr r11, [r1, lr]\n"
                     "add r0, r0, r12, lsl #1\n add r1, r1, lr, lsl #1\n str r2, [sp, #4]\n"
                     // Channels 0 and 1, then 2 and 3, of both taps.
                     "pkhbt r2, r8, r9, lsl #16\n pkhtb r9, r9, r8, asr #16\n"
                     "pkhbt r8, r10, r11, lsl #16\n pkhtb r11, r11, r10, asr #16\n"
                     "sxtb16 r10, r2\n sxtb16 r2, r2, ror #8\n"
                     "sxtb16 r3, r8\n sxtb16 r8, r8, ror #8\n smlad r4, r10, r3, r4\n smlad r5, r2, r8, r5\n"
                     "sxtb16 r10, r9\n sxtb16 r9, r9, ror #8\n sxtb16 r3, r11\n sxtb16 r11, r11, ror #8\n"
                     "smlad r6, r10, r3, r6\n smlad r7, r9, r11, r7\n"
                     "ldr r2, [sp, #4]\n subs r2, #2\n bge 3b\n"
                     "ldr r3, [sp, #20]\n"
                     "4:\n ldrd r8, r9, [r3, #12]\n add r0, r8\n add r1, r9\n ldr r8, [sp]\n subs r8, #1\n bne 1b\n"
                     "ldr r9, [sp, #16]\n stmia r9!, {r4-r7}\n str r9, [sp, #16]\n" // the next four channels
                     "ldrd r0, r1, [sp, #8]\n ldr r8, [r3, #24]\n add r0, r8\n adds r1, #4\n strd r0, r1, [sp, #8]\n"
                     "ldr r8, [sp, #24]\n subs r8, #1\n str r8, [sp, #24]\n bne 0b\n"
                     "add sp, #32\n pop {r4-r11, pc}\n");
}

// Some channels of a pixel, whose rows of taps lie along v and the taps of one along h. A kernel one tap wide is read as a
// row.
typedef struct {
    const tw_conv_t *p;
    uint32_t outside;      // four zero points
    int32_t x_step, x_row; // from tap to tap
    const tw_axis_t *v, *h;
    const int8_t *x, *w;   // tap 0
    uint32_t groups;       // of four channels, whose sums these are
    const int32_t *from;
    int32_t *sums;
} place_t;

// Adds a rectangle of taps, all inside the input or all outside.
static void add_taps(place_t *s, bool inside, int32_t row, int32_t column, int32_t rows, int32_t columns) {
    if (rows > 0 && columns > 0) {
        const int32_t channels = s->p->in.c;
        const taps_t t = {inside ? s->x_step : 0, channels, columns, inside ? s->x_row - columns * s->x_step : 0,
            (s->h->end - columns) * channels, rows, inside ? 4 : 0, s->groups, s->from};
        const int8_t *x = inside ? s->x + row * s->x_row + column * s->x_step : (const int8_t *)&s->outside;
        dot_taps(x, s->w + (row * s->h->end + column) * channels, s->sums, &t);
        s->from = s->sums;
    }
}

static void run_channels(place_t *s) {
    const tw_axis_t *v = s->v, *h = s->h;
    const int32_t rows = v->out - v->in;
    add_taps(s, true, v->in, h->in, rows, h->out - h->in);
    add_taps(s, false, 0, 0, v->in, h->end);
    add_taps(s, false, v->in, 0, rows, h->in);
    add_taps(s, false, v->in, h->out, rows, h->end - h->out);
    add_taps(s, false, v->out, 0, v->end - v->out, h->end);
}

void tw_depthwise_armv7em(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const uint32_t channels = p->out.c;
    if (channels != p->in.c || channels < 4) {
        tw_depthwise_s8(p, x, y);
        return;
    }
    const tw_outputs_t outputs = {p->requant, 1, p->out.zero_point, p->act_min, p->act_max, p->help.bounded};
    const uint32_t rows = tw_planes_rows(p);
    if (rows && tw_planes_run(p, &outputs, rows, x, y)) {
        return;
    }
    const int32_t x_column = p->dilation_w * (int32_t)channels, x_row = p->dilation_h * p->in.w * (int32_t)channels;
    const bool upright = p->kernel_w == 1;
    tw_axis_t v, h;
    int32_t sums[CHANNELS];
    place_t s = {p, (uint8_t)p->in.zero_point * 0x01010101u, upright ? x_row : x_column, upright ? x_column : x_row,
        upright ? &h : &v, upright ? &v : &h, NULL, NULL, 0, NULL, sums};
    for (int32_t oy = 0; oy < p->out.h; ++oy) {
        v = tw_dense_axis(oy * p->stride_h - p->pad_top, p->in.h, p->kernel_h, p->dilation_h);
        for (int32_t ox = 0; ox < p->out.w; ++ox, y += channels) {
            h = tw_dense_axis(ox * p->stride_w - p->pad_left, p->in.w, p->kernel_w, p->dilation_w);
            for (uint32_t c = 0; c < channels; c += 4 * s.groups) {
                const uint32_t left = channels - c;
                c = left < 4 ? channels - 4 : c; // some of the last ones twice
                s.groups = left < 4 ? 1 : left < CHANNELS ? left / 4 : CHANNELS / 4;
                s.x = x + (v.start * p->in.w + h.start) * (int32_t)channels + c;
                s.w = (const int8_t *)p->weights + c;
                s.from = p->bias + c;
                run_channels(&s);
                tw_outputs_row(&outputs, c, sums, 4 * s.groups, y + c);
            }
        }
    }
}
#endif
