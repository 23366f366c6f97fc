// SPDX-License-Identifier: MIT
// The kernels that arch.h picks against the reference kernels, on networks drawn by lot: every shape, padding, stride and
// dilation, any alignment, any scratch, outputs over their inputs, weights and biases at their ends. test_fast_kernels.py
// runs it on this computer, on an emulated Cortex-M0+, M3 and M4.
#include "arch.h"
#include "move.h"

#include <string.h>

#define MOST 2400 // elements of an input, an output and of weights
#define MOST_UNITS 140 // of a fully connected layer
#define MARGIN 64
#define GUARD 0xA5
#ifdef __arm__
#define WORK 8000 // multiplications of a case
#else
#define WORK 150000
#endif

static uint8_t memory[2][2 * MOST + 4 * MARGIN]; // of the reference and of the fast kernel
static uint32_t weights[2 * MOST], scratch[1024];
static uint32_t sums[2][MOST_UNITS]; // of both
static int32_t bias[MOST], multiplier[MOST];
static int8_t shift[MOST];
static uint32_t seed, granted; // bytes of scratch
static bool tiny;              // small numbers and shifts, multipliers of few bits: sums in the middle between two outputs

static uint32_t upto(uint32_t most) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(seed >> 8) * (most + 1)) >> 24);
}

static int32_t between(int32_t low, int32_t high) {
    return low + (int32_t)upto((uint32_t)(high - low));
}

static bool chance(uint32_t percent) {
    return upto(99) < percent;
}

static int8_t any_weight(bool lowest) {
    if (tiny) {
        return (int8_t)between(-1, 1);
    }
    return (int8_t)(chance(20) ? (chance(50) ? 127 : lowest ? -128 : -127) : between(lowest ? -128 : -127, 127));
}

// Requantisation of `units`; returns whether TW_BOUND_* hold, with sums of up to `most` beside the bias.
static bool any_requant(uint32_t units, int32_t most, tw_requant_t *q) {
    bool bounded = true;
    const bool hostile = chance(20);
    for (uint32_t i = 0; i < units; ++i) {
        multiplier[i] = tiny ? (1 << 30) + (between(0, 3) << 28) : between(chance(10) ? 0 : 1 << 30, INT32_MAX - 1);
        shift[i] = (int8_t)(tiny ? between(-4, 0) : chance(10) ? between(-31, 30) : between(-14, -1));
        bias[i] = tiny ? between(-300, 300) : between(-200000, 200000);
        if (hostile && chance(30)) {
            bias[i] = (int32_t)(seed ^ 0x55555555u);
        }
        const bool narrow = shift[i] >= TW_BOUND_SHIFT && shift[i] < 0;
        const int32_t room = (1 << TW_BOUND_SUM) - 1 - most;
        bounded &= !narrow || (bias[i] > -room && bias[i] < room);
    }
    q->multiplier = multiplier;
    q->shift = shift;
    return bounded;
}

static void any_help(tw_help_t *help, bool bounded) {
    help->scratch = scratch;
    help->scratch_bytes = chance(20) ? 0 : upto(sizeof scratch / 4) * 4;
    help->bounded = bounded;
    granted = help->scratch_bytes;
    memset(scratch, GUARD, sizeof scratch);
}

static void any_act(int8_t *low, int8_t *high) {
    *low = (int8_t)(chance(70) ? -128 : between(-128, 0));
    *high = (int8_t)(chance(70) ? 127 : between(*low, 127));
}

// ---- memory

typedef struct {
    uint32_t x, y; // where input and output begin
} places_t;

// An output behind its input, or over it: `nearest` bytes behind the input's begin it destroys nothing that is still needed.
static places_t places(uint32_t in, int32_t nearest) {
    places_t at = {MARGIN + upto(3), 0};
    if (chance(60)) {
        at.x += nearest < 0 ? (uint32_t)-nearest : 0;
        at.y = (uint32_t)((int32_t)at.x + nearest);
    } else {
        at.y = at.x + in + upto(7);
    }
    return at;
}

static void fill(uint32_t x, uint32_t count) {
    memset(memory[0], GUARD, sizeof memory[0]);
    const bool extreme = chance(20);
    for (uint32_t i = 0; i < count; ++i) {
        memory[0][x + i] = (uint8_t)(tiny ? between(-20, 20) : extreme ? (chance(50) ? 127 : -128) : between(-128, 127));
    }
    memcpy(memory[1], memory[0], sizeof memory[0]);
}

static bool same(void) {
    for (uint32_t i = granted; i < sizeof scratch; ++i) {
        if (((uint8_t *)scratch)[i] != GUARD) {
            return false;
        }
    }
    return memcmp(memory[0], memory[1], sizeof memory[0]) == 0;
}

// ---- convolutions

// The first element of the input that pixel (oy, ox) or a later one needs, less what is written by then.
static int32_t nearest_of_windows(const tw_conv_t *p) {
    int32_t first = MOST, nearest = MOST;
    for (int32_t pixel = p->out.h * p->out.w - 1; pixel >= 0; --pixel) {
        const int32_t top = pixel / p->out.w * p->stride_h - p->pad_top, left = pixel % p->out.w * p->stride_w - p->pad_left;
        for (int32_t ky = 0; ky < p->kernel_h; ++ky) {
            for (int32_t kx = 0; kx < p->kernel_w; ++kx) {
                const int32_t iy = top + ky * p->dilation_h, ix = left + kx * p->dilation_w;
                const int32_t at = (iy * p->in.w + ix) * p->in.c;
                if (iy >= 0 && iy < p->in.h && ix >= 0 && ix < p->in.w && at < first) {
                    first = at;
                }
            }
        }
        const int32_t distance = first - (pixel + 1) * p->out.c;
        nearest = distance < nearest ? distance : nearest;
    }
    return nearest;
}

static uint8_t any_axis(uint16_t in, uint16_t *out, uint8_t *stride, uint8_t *dilation, uint8_t *pad) {
    const uint8_t kernel = (uint8_t)between(1, chance(20) ? 11 : 4);
    *stride = (uint8_t)between(1, 3);
    *dilation = (uint8_t)(chance(80) ? 1 : 2);
    const uint32_t reach = (kernel - 1u) * *dilation + 1;
    *pad = (uint8_t)(chance(50) ? 0 : upto(reach - 1));
    *out = (uint16_t)(1 + upto((in + *pad - 1u) / *stride));
    return kernel;
}

// Of a shape with room for it, with weights within their bounds or not.
static bool any_conv(tw_conv_t *p, bool depthwise) {
    const bool pointwise = !depthwise && chance(40);
    *p = (tw_conv_t){.in = {(uint16_t)between(1, 12), (uint16_t)between(1, 9), 0, (int16_t)between(-128, 127)}};
    p->in.c = (uint16_t)(chance(60) ? 4 * between(1, 8) : between(1, 20));
    p->kernel_h = any_axis(p->in.h, &p->out.h, &p->stride_h, &p->dilation_h, &p->pad_top);
    p->kernel_w = any_axis(p->in.w, &p->out.w, &p->stride_w, &p->dilation_w, &p->pad_left);
    if (depthwise && chance(20)) { // the most common ones have kernels of their own
        p->kernel_h = p->kernel_w = 3, p->stride_h = p->stride_w = p->dilation_h = p->dilation_w = 1;
        p->pad_top = (uint8_t)upto(2), p->pad_left = (uint8_t)upto(2);
        p->out.h = (uint16_t)(1 + upto(p->in.h + p->pad_top - 1u)), p->out.w = (uint16_t)(1 + upto(p->in.w + p->pad_left - 1u));
    }
    if (pointwise) {
        p->kernel_h = p->kernel_w = 1, p->pad_top = p->pad_left = 0;
        p->out.h = (uint16_t)(1 + (p->in.h - 1) / p->stride_h), p->out.w = (uint16_t)(1 + (p->in.w - 1) / p->stride_w);
    }
    if (depthwise && chance(30)) { // the commonest, along some axes
        p->kernel_h = p->kernel_w = 3, p->stride_h = p->stride_w = p->dilation_h = p->dilation_w = 1;
        p->pad_top = (uint8_t)upto(chance(80) ? 1 : 2), p->pad_left = (uint8_t)upto(chance(80) ? 1 : 2);
        p->out.h = (uint16_t)(chance(80) ? p->in.h : between(1, p->in.h + p->pad_top));
        p->out.w = (uint16_t)(chance(80) ? p->in.w : between(1, p->in.w + p->pad_left));
    }
    p->out.c = (uint16_t)(depthwise ? p->in.c * (chance(80) ? 1 : 2) : between(1, chance(30) ? 40 : 12));
    p->out.zero_point = (int16_t)(chance(50) ? -128 : between(-128, 127));
    any_act(&p->act_min, &p->act_max);
    const uint32_t taps = (uint32_t)p->kernel_h * p->kernel_w * (depthwise ? 1u : p->in.c);
    const uint32_t bytes = depthwise ? taps * p->out.c : tw_row_bytes(taps) * p->out.c;
    const uint32_t in = (uint32_t)p->in.h * p->in.w * p->in.c, out = (uint32_t)p->out.h * p->out.w * p->out.c;
    if (in > MOST || out > MOST || bytes > sizeof weights - 4 || out * taps > WORK) {
        return false;
    }
    const bool lowest = chance(15);
    int8_t *w = (int8_t *)weights + (depthwise ? upto(3) & upto(3) : 0);
    for (uint32_t i = 0; i < bytes; ++i) {
        const bool padding = !depthwise && i % tw_row_bytes(taps) >= taps;
        w[i] = (int8_t)((padding ? 0 : any_weight(lowest)) ^ (depthwise ? 0 : -128));
    }
    p->weights = (uint8_t *)w;
    p->bias = bias;
    any_help(&p->help, any_requant(p->out.c, (int32_t)taps * 127 * 128, &p->requant) && !lowest);
    return true;
}

static bool conv_agrees(bool depthwise) {
    tw_conv_t p;
    if (!any_conv(&p, depthwise)) {
        return true;
    }
    const uint32_t in = (uint32_t)p.in.h * p.in.w * p.in.c;
    const places_t at = places(in, nearest_of_windows(&p));
    if (at.x + in > MOST + 2 * MARGIN) {
        return true;
    }
    fill(at.x, in);
    const int8_t *x[2] = {(int8_t *)memory[0] + at.x, (int8_t *)memory[1] + at.x};
    (depthwise ? tw_depthwise_s8 : tw_conv2d_s8)(&p, x[0], (int8_t *)memory[0] + at.y);
    if (depthwise) {
        TW_DEPTHWISE(&p, x[1], (int8_t *)memory[1] + at.y);
    } else {
        TW_CONV2D(&p, x[1], (int8_t *)memory[1] + at.y);
    }
    return same();
}

// ---- fully connected

static bool parts_agree(const tw_fully_connected_t *fc, const int8_t *x[2], int8_t *y[2]) {
    for (uint8_t part = TW_PART_FIRST; part <= TW_PART_LAST; ++part) { // each adds the same
        const tw_fully_connected_part_t p = {*fc, part};
        tw_fully_connected_part_s8(&p, x[0], sums[0], y[0]);
        TW_FULLY_CONNECTED_PART(&p, x[1], sums[1], y[1]);
    }
    return memcmp(sums[0], sums[1], sizeof sums[0]) == 0 && same();
}

static bool fully_connected_agrees(void) {
    const uint32_t depth = 1 + upto(chance(20) ? 400 : 150), units = 1 + upto(chance(20) ? MOST_UNITS - 1 : 40);
    tw_fully_connected_t p = {.rows = chance(60) ? 1 : 1 + upto(8), .depth = depth, .units = (uint16_t)units,
        .out_zero_point = (int16_t)between(-128, 127), .weights = (uint8_t *)weights, .bias = bias,
        .per_channel = (uint8_t)chance(50)};
    const uint32_t row = tw_row_bytes(p.depth), in = p.rows * p.depth;
    if (row * p.units > sizeof weights || in > MOST || p.rows * p.units > MOST || in * p.units > WORK) {
        return true;
    }
    any_act(&p.act_min, &p.act_max);
    const bool lowest = chance(15);
    for (uint32_t i = 0; i < row * p.units; ++i) {
        const uint32_t at = i % (2 * row), tap = i - at + row < row * p.units ? at / 4 * 2 + at % 2 : at; // of a pair
        ((int8_t *)weights)[i] = (int8_t)((tap < p.depth ? any_weight(lowest) : 0) ^ -128);
    }
    const bool bounded = any_requant(p.units, (int32_t)p.depth * 127 * 128, &p.requant) && !lowest;
    any_help(&p.help, bounded && (p.per_channel || p.units == 1)); // one shift for all: of other biases than were looked at
    int32_t nearest = MOST;
    for (uint32_t r = 0; r < p.rows; ++r) {
        const int32_t distance = (int32_t)(r * p.depth) - (int32_t)((r + 1) * p.units);
        nearest = distance < nearest ? distance : nearest;
    }
    const places_t at = places(in, nearest);
    if (at.x + in > MOST + 2 * MARGIN) {
        return true;
    }
    fill(at.x, in);
    const int8_t *x[2] = {(int8_t *)memory[0] + at.x, (int8_t *)memory[1] + at.x};
    int8_t *y[2] = {(int8_t *)memory[0] + at.y, (int8_t *)memory[1] + at.y};
    if (p.rows == 1 && chance(30)) {
        p.help.bounded = false; // of several times the sum
        return parts_agree(&p, x, y);
    }
    tw_fully_connected_s8(&p, x[0], y[0]);
    TW_FULLY_CONNECTED(&p, x[1], y[1]);
    return same();
}

// ---- moves

static bool move_agrees(void) {
    const uint32_t count = upto(chance(50) ? 40 : 700), from = MARGIN + upto(200), to = MARGIN + upto(200);
    granted = sizeof scratch;
    fill(MARGIN, 1000);
    memmove(memory[0] + to, memory[0] + from, count);
    tw_move(memory[1] + to, memory[1] + from, count);
    return same();
}

// Cases `first` to `end`: returns the first one that differs, or `end`.
uint32_t fast_kernels_run(uint32_t first, uint32_t end);

uint32_t fast_kernels_run(uint32_t first, uint32_t end) {
    for (uint32_t number = first; number < end; ++number) {
        seed = number * 2654435761u;
        const uint32_t kind = number % 8;
        tiny = chance(40);
        const bool agrees = kind < 3   ? conv_agrees(false)
                            : kind < 5 ? conv_agrees(true)
                            : kind < 7 ? fully_connected_agrees()
                                       : move_agrees();
        if (!agrees) {
            return number;
        }
    }
    return end;
}

#ifdef __arm__
#include "board.h"

__attribute__((section(".start"), noreturn)) void start(void) {
    const uint32_t *job = (const uint32_t *)JOB;
    const uint32_t reached = fast_kernels_run(job[0], job[1]);
    board_send(&reached, sizeof reached);
    board_exit(0);
}
#else
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    printf("%u\n", argc == 3 ? fast_kernels_run((uint32_t)atoi(argv[1]), (uint32_t)atoi(argv[2])) : 0);
    return 0;
}
#endif
