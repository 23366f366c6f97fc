// SPDX-License-Identifier: MIT
// DEPTHWISE_CONV_2D on armv7em: four channels at a time, of which input and weights hold a word each; of two taps' words
// come four, each with one channel's bytes of both, for one SMLAD.
#include "arch.h"

#if TW_ARMV7EM
#include "dsp_armv7em.h"

#define CHANNELS 32 // requantised together

// A rectangle of taps. The steps lead to the next tap of a row, and from behind a row's last tap to the next row. Weights of
// several rows are those of whole rows.
typedef struct {
    int32_t x_step, w_step, columns, x_row, rows;
} taps_t;

// sums[channel] += x . w over all taps, for four channels. 13 cycles a tap, and 9 more a row.
TW_ASSEMBLY static void dot_taps(const int8_t *x, const int8_t *w, int32_t *sums, const taps_t *t) {
    (void)x, (void)w, (void)sums, (void)t;
    __asm__ volatile(".syntax unified\n"
                     "push {r2-r11, lr}\n"
                     "ldrd r12, lr, [r3]\n ldmia r2, {r4-r7}\n ldr r8, [r3, #16]\n sub sp, #8\n"
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
                     "ldr r3, [sp, #12]\n"
                     "4:\n ldr r8, [r3, #12]\n add r0, r8\n ldr r8, [sp]\n subs r8, #1\n bne 1b\n"
                     "ldr r2, [sp, #8]\n stmia r2, {r4-r7}\n add sp, #16\n pop {r4-r11, pc}\n");
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
    uint32_t outside;      // four zero points
    int32_t x_step, x_row; // from tap to tap; a kernel one tap wide is read as a row
} input_t;

// Adds taps of input x, NULL: outside. Several rows are whole ones.
static void add_taps(const input_t *s, const int8_t *x, const int8_t *w, int32_t columns, int32_t rows, int32_t *sums) {
    if (columns > 0) {
        const taps_t t = {x ? s->x_step : 0, s->p->in.c, columns, x ? s->x_row - columns * s->x_step : 0, rows};
        dot_taps(x ? x : (const int8_t *)&s->outside, w, sums, &t);
    }
}

// Four channels from `first` on, of a pixel whose rows of taps lie along v and the taps of one along h.
static void run_channels(
    const input_t *s, const axis_t *v, const axis_t *h, const int8_t *x, uint32_t first, int32_t *sums) {
    const int32_t channels = s->p->in.c;
    const int8_t *w = (const int8_t *)s->p->weights + first;
    memcpy(sums, s->p->bias + first, 4 * sizeof *sums);
    x += first;
    if (v->out - v->in == v->end && h->out - h->in == h->end) {
        add_taps(s, x, w, h->end, v->end, sums);
        return;
    }
    for (int32_t row = 0; row < v->end; ++row, x += s->x_row, w += h->end * channels) {
        const bool inside = row >= v->in && row < v->out;
        const int32_t in = inside ? h->in : 0, out = inside ? h->out : 0;
        add_taps(s, NULL, w, in, 1, sums);
        add_taps(s, x + in * s->x_step, w + in * channels, out - in, 1, sums);
        add_taps(s, NULL, w + out * channels, h->end - out, 1, sums);
    }
}

void tw_depthwise_armv7em(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const uint32_t channels = p->out.c;
    if (channels != p->in.c || channels < 4) {
        tw_depthwise_s8(p, x, y);
        return;
    }
    const tw_outputs_t outputs = {p->requant, p->out.zero_point, p->act_min, p->act_max, p->help.bounded};
    const int32_t x_column = p->dilation_w * (int32_t)channels, x_row = p->dilation_h * p->in.w * (int32_t)channels;
    const bool upright = p->kernel_w == 1;
    const input_t s = {p, (uint8_t)p->in.zero_point * 0x01010101u, upright ? x_row : x_column, upright ? x_column : x_row};
    for (int32_t oy = 0; oy < p->out.h; ++oy) {
        const axis_t v = axis(oy * p->stride_h - p->pad_top, p->in.h, p->kernel_h, p->dilation_h);
        for (int32_t ox = 0; ox < p->out.w; ++ox, y += channels) {
            const axis_t h = axis(ox * p->stride_w - p->pad_left, p->in.w, p->kernel_w, p->dilation_w);
            const int8_t *at = x + (v.start * p->in.w + h.start) * (int32_t)channels;
            for (uint32_t c = 0, n; c < channels; c += n) {
                int32_t sums[CHANNELS];
                n = channels - c < CHANNELS ? channels - c : CHANNELS;
                c -= n < 4 ? 4 - n : 0; // some of the last ones twice
                n = n < 4 ? 4 : n;
                for (uint32_t i = 0; i < n; i += 4) {
                    const uint32_t first = i + 4 > n ? n - 4 : i;
                    run_channels(&s, upright ? &h : &v, upright ? &v : &h, at, c + first, sums + first);
                }
                tw_outputs_row(&outputs, c, 1, sums, n, y + c);
            }
        }
    }
}
#endif
