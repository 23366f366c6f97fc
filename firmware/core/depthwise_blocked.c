// SPDX-License-Identifier: MIT
// DEPTHWISE_CONV_2D in blocks: a tap of four channels at a time.
#include "blocked.h"

#if TW_BLOCKED
#define TOGETHER 4
#define CHANNELS 32 // whose sums are kept; a multiple of TOGETHER

// The taps along an axis, in bytes of the input: where the first one lies, from one to the next, where the axis ends.
typedef struct {
    int32_t start, step;
    uint32_t end;
    int32_t taps;
} line_t;

typedef struct {
    line_t line[2];    // outer and inner
    uint32_t channels; // bytes from one tap's weights to the next one's
    const int8_t *zeros;
} kernel_t;

static inline int32_t element(const int8_t *x) {
#if defined(__xtensa__) // every ESP32 and ESP32-S has this instruction, and a compiler for the ESP8266 does not know it
    int32_t y;
    __asm__("sext %0, %1, 7" : "=a"(y) : "a"(*(const uint8_t *)x));
    return y;
#else
    return *x;
#endif
}

// sums[channel] = x . w of n channels, at least TOGETHER; of the last ones some twice.
TW_HOT static void sum_channels(const kernel_t *k, const int8_t *x, const int8_t *w, uint32_t n, uint32_t *sums) {
    const int32_t step = k->line[1].step;
    const uint32_t channels = k->channels;
    const int8_t *zeros = k->zeros;
    for (uint32_t c = 0;; c = c + 2 * TOGETHER > n ? n - TOGETHER : c + TOGETHER) {
        uint32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
        const int8_t *ws = w + c;
        int32_t v = k->line[0].start;
        for (int32_t row = k->line[0].taps; row > 0; --row, v += k->line[0].step) {
            const uint32_t end = (uint32_t)v < k->line[0].end ? k->line[1].end : 0;
            int32_t h = k->line[1].start;
            for (int32_t tap = k->line[1].taps; tap > 0; --tap, h += step, ws += channels) {
                const int8_t *at = (uint32_t)h < end ? x + c + v + h : zeros;
                a0 += (uint32_t)(element(at) * element(ws));
                a1 += (uint32_t)(element(at + 1) * element(ws + 1));
                TW_IN_ORDER
                a2 += (uint32_t)(element(at + 2) * element(ws + 2));
                a3 += (uint32_t)(element(at + 3) * element(ws + 3));
            }
        }
        sums[c] = a0, sums[c + 1] = a1, sums[c + 2] = a2, sums[c + 3] = a3;
        if (c + TOGETHER == n) {
            return;
        }
    }
}

void tw_depthwise_blocked(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const uint32_t channels = p->out.c;
    if (channels != p->in.c || channels < TOGETHER) {
        tw_depthwise_s8(p, x, y);
        return;
    }
    const tw_outputs_t out = {p->bias, p->requant, p->out.zero_point, p->act_min, p->act_max, p->help.bounded, true};
    const uint32_t zeros = (uint8_t)p->in.zero_point * 0x01010101u;
    const int32_t row = p->in.w * p->in.c, column = p->in.c;
    const bool upright = p->kernel_w == 1; // read as a row
    kernel_t kernel = {.channels = channels, .zeros = (const int8_t *)&zeros};
    line_t *v = &kernel.line[upright], *h = &kernel.line[!upright];
    *v = (line_t){0, p->dilation_h * row, (uint32_t)(p->in.h * row), p->kernel_h};
    *h = (line_t){0, p->dilation_w * column, (uint32_t)row, p->kernel_w};
    for (uint32_t pixel = 0; pixel < (uint32_t)p->out.h * p->out.w; ++pixel, y += channels) {
        const uint32_t oy = pixel / p->out.w;
        v->start = ((int32_t)(oy * p->stride_h) - p->pad_top) * row;
        h->start = ((int32_t)((pixel - oy * p->out.w) * p->stride_w) - p->pad_left) * column;
        for (uint32_t c = 0, n; c < channels; c += n) {
            const uint32_t left = channels - c;
            n = left < CHANNELS + TOGETHER && left > CHANNELS ? CHANNELS - TOGETHER : left < CHANNELS ? left : CHANNELS;
            uint32_t sums[CHANNELS];
            sum_channels(&kernel, x + c, (const int8_t *)p->weights + c, n, sums);
            const tw_sums_t of = {sums, 1, 1, 0};
            tw_blocked_outputs(&out, c, n, &of, y + c);
        }
    }
}
#endif
