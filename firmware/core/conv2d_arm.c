// SPDX-License-Identifier: MIT
// CONV_2D on armv6m and armv7em: what a pixel reads is brought together, then multiplied with every row of weights.
#include "arch.h"

#if TW_ARMV6M || TW_ARMV7EM
#include "dense_arm.h"

#include <string.h>

// Whether a patch that is all inside the input lies there in one piece, as whole words.
static bool in_one_piece(const tw_conv_t *p, const int8_t *x) {
    return (p->kernel_h == 1 || (p->kernel_w == p->in.w && p->dilation_h == 1)) &&
           (p->kernel_w == 1 || p->dilation_w == 1) && p->in.c % 4 == 0 && (uintptr_t)x % 4 == 0;
}

tw_axis_t tw_dense_axis(int32_t start, int32_t size, int32_t kernel, int32_t dilation) {
    tw_axis_t a = {0, kernel, kernel, start};
    for (; a.in < kernel && start < 0; ++a.in) {
        start += dilation;
    }
    for (start += (kernel - 1 - a.in) * dilation; a.out > a.in && start >= size; --a.out) {
        start -= dilation;
    }
    return a;
}

typedef struct {
    uint32_t bytes;        // of a row
    int32_t to_row, from_row; // from one to the next
} rows_of_t;

// A row's r3 bytes from the last to the first one, 8 cycles a byte,
#if TW_ARMV6M
#define COPY_ROW "2:\n subs r3, #1\n ldrb r4, [r1, r3]\n strb r4, [r0, r3]\n bne 2b\n"
#else // or 7 a word, the last of which may take bytes again.
#define COPY_ROW                                                                                                     \
    "subs r3, #4\n bmi 3f\n 2:\n ldr r4, [r1, r3]\n str r4, [r0, r3]\n subs r3, #4\n bgt 2b\n"                        \
    "ldr r4, [r1]\n str r4, [r0]\n b 4f\n"                                                                          \
    "3:\n adds r3, #4\n 5:\n subs r3, #1\n ldrb r4, [r1, r3]\n strb r4, [r0, r3]\n bne 5b\n 4:\n"
#endif

// Rows of bytes, at least one, up to those that begin at `end`; 9 cycles a row.
TW_ASSEMBLY static void copy_rows(int8_t *to, const int8_t *from, const int8_t *end, const rows_of_t *r) {
    (void)to, (void)from, (void)end, (void)r;
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r7, lr}\n ldmia r3!, {r5-r7}\n"
                     "1:\n movs r3, r5\n" COPY_ROW "adds r0, r6\n adds r1, r7\n cmp r0, r2\n bne 1b\n"
                     "pop {r4-r7, pc}\n");
}

const int8_t *tw_dense_patch(const tw_dense_t *s, uint32_t pixel, int8_t *room) {
    const tw_conv_t *p = s->p;
    const int32_t c = p->in.c;
    if (s->flat) {
        return s->x + (int32_t)pixel * c;
    }
    const uint32_t oy = pixel / p->out.w, ox = pixel - oy * p->out.w;
    const int32_t top = (int32_t)(oy * p->stride_h) - p->pad_top, left = (int32_t)(ox * p->stride_w) - p->pad_left;
    const tw_axis_t v = tw_dense_axis(top, p->in.h, p->kernel_h, p->dilation_h);
    const tw_axis_t h = tw_dense_axis(left, p->in.w, p->kernel_w, p->dilation_w);
    const int32_t row = p->in.w * c, room_row = p->kernel_w * c;
    const int8_t *x = s->x + top * row + left * c;
    if (v.out - v.in < p->kernel_h || h.out - h.in < p->kernel_w) {
        memset(room, p->in.zero_point, (size_t)(p->kernel_h * room_row));
    } else if (s->whole) {
        return x;
    }
    const int32_t run = p->dilation_w == 1 ? h.out - h.in : 1; // of taps, side by side
    const rows_of_t r = {(uint32_t)(run * c), room_row, p->dilation_h * row};
    for (int32_t kx = h.in; kx < h.out && v.in < v.out; kx += run) {
        int8_t *to = room + kx * c;
        copy_rows(to + v.in * room_row, x + v.in * r.from_row + kx * p->dilation_w * c, to + v.out * room_row, &r);
    }
    return room;
}

void tw_conv2d_arm(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const bool whole = in_one_piece(p, x);
    const tw_dense_t d = {p, tw_row_bytes((uint32_t)p->kernel_h * p->kernel_w * p->in.c), x, whole,
        whole && p->kernel_h == 1 && p->kernel_w == 1 && p->stride_h == 1 && p->stride_w == 1 && p->out.w == p->in.w};
    if (tw_dense_fits(&d)) {
        tw_dense_run(&d, (uint32_t)p->out.h * p->out.w, y);
    } else {
        tw_conv2d_s8(p, x, y);
    }
}
#endif
