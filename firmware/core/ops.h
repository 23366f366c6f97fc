// SPDX-License-Identifier: MIT
// The kernels, one a file. check_ops.c has checked every index, length and range in these structs, so kernels cannot fail.
// Tensors are int8, [h, w, c] with c fastest; batch is 1. Input and output do not overlap unless a kernel says so.
#ifndef TW_OPS_H
#define TW_OPS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint16_t h, w, c;
    int16_t zero_point; // -128..127
} tw_shape_t;

// One multiplier and shift a channel, straight from the file: see tw_fixed_requant.
typedef struct {
    const int32_t *multiplier; // 0..2^31-1
    const int8_t *shift;       // -31..30
} tw_requant_t;

// CONV_2D: weights [out.c][kernel_h][kernel_w][in.c]. DEPTHWISE_CONV_2D: weights [kernel_h][kernel_w][out.c],
// out.c a multiple of in.c. Weights are symmetric: no zero point.
typedef struct {
    tw_shape_t in, out;
    const int8_t *weights;
    const int32_t *bias; // out.c
    tw_requant_t requant;
    uint8_t kernel_h, kernel_w, stride_h, stride_w;
    uint8_t pad_top, pad_left, dilation_h, dilation_w;
    int8_t act_min, act_max;
} tw_conv_t;

void tw_conv2d_s8(const tw_conv_t *p, const int8_t *x, int8_t *y);
void tw_depthwise_s8(const tw_conv_t *p, const int8_t *x, int8_t *y);

// FULLY_CONNECTED: x [rows][depth], weights [units][depth], y [rows][units].
typedef struct {
    uint32_t rows, depth;
    uint16_t units;
    int16_t in_zero_point, out_zero_point;
    const int8_t *weights;
    const int32_t *bias; // units
    tw_requant_t requant;
    uint8_t per_channel; // 1: one multiplier a unit; 0: one for all
    int8_t act_min, act_max;
} tw_fully_connected_t;

void tw_fully_connected_s8(const tw_fully_connected_t *p, const int8_t *x, int8_t *y);

// AVERAGE_POOL_2D, MAX_POOL_2D: taps outside the input do not count.
typedef struct {
    tw_shape_t in, out;
    uint8_t kernel_h, kernel_w, stride_h, stride_w;
    uint8_t pad_top, pad_left;
    int8_t act_min, act_max;
} tw_pool_t;

void tw_pool_average_s8(const tw_pool_t *p, const int8_t *x, int8_t *y);
void tw_pool_max_s8(const tw_pool_t *p, const int8_t *x, int8_t *y);

// MEAN over h and w: y [c].
typedef struct {
    tw_shape_t in;
    int16_t out_zero_point;
    int32_t multiplier; // with 1 / (h * w) in it
    int8_t shift;
} tw_mean_t;

void tw_mean_s8(const tw_mean_t *p, const int8_t *x, int8_t *y);

// LOGISTIC: output scale 1/256, zero point -128. May run in place.
typedef struct {
    uint32_t count;
    int16_t in_zero_point;
    uint16_t radius;    // |x - zero point| from which on the result saturates
    int32_t multiplier; // input scale in Q4.27
    int8_t shift;
} tw_logistic_t;

void tw_logistic_s8(const tw_logistic_t *p, const int8_t *x, int8_t *y);

// SOFTMAX over c: output scale 1/256, zero point -128. May run in place.
typedef struct {
    uint32_t rows;
    uint16_t c;         // 1..4095: the sum of exponentials has 12 integer bits
    int16_t diff_min;   // -255..0: differences to the row's maximum below it give probability 0
    int32_t multiplier; // input scale times beta in Q5.26
    int8_t shift;       // 0..30
} tw_softmax_t;

void tw_softmax_s8(const tw_softmax_t *p, const int8_t *x, int8_t *y);

// STATE_PUSH: the state forgets its oldest bytes and takes x at its end. count <= state_count.
void tw_state_push(uint32_t count, const uint8_t *x, uint32_t state_count, uint8_t *state);

#endif
