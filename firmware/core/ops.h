// SPDX-License-Identifier: MIT
// The kernels, one a file. check_ops.c has checked every index, length and range in these structs, so kernels cannot fail.
// Tensors are int8 unless a kernel takes bytes, [h, w, c] with c fastest; batch is 1.
// An output may lie over an input, because every kernel computes its units in ascending order: no byte written for a unit
// is read for the same or a later one. A unit is a pixel, all channels of one h and w, unless a kernel names another.
#ifndef TW_OPS_H
#define TW_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint16_t h, w, c;
    int16_t zero_point; // -128..127
} __attribute__((aligned(4))) tw_shape_t; // copied in two words

// One multiplier and shift a channel, straight from the file: see tw_fixed_requant.
typedef struct {
    const int32_t *multiplier; // 0..2^31-1
    const int8_t *shift;       // -31..30
} tw_requant_t;

// What faster kernels of CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED go by; a reference kernel needs none of it.
typedef struct {
    void *scratch; // 4-byte aligned; what a kernel leaves there is nobody's
    uint32_t scratch_bytes;
    uint8_t bounded; // the file says that TW_BOUND_* hold; if they do not, numbers are wrong and nothing else
} tw_help_t;

#define TW_BOUND_WEIGHT (-127) // no weight is below
#define TW_BOUND_SHIFT (-14)   // of channels with a shift from here to -1,
#define TW_BOUND_SUM 23        // sums are within +-2^23, whatever the input

// A row of weights: as many bytes as its taps, rounded up to 4. Each is the weight plus 128; those behind the last tap are 128.
static inline uint32_t tw_row_bytes(uint32_t taps) {
    return (taps + 3) & ~3u;
}

// CONV_2D: weights [out.c][row of kernel_h * kernel_w * in.c]. DEPTHWISE_CONV_2D: weights, plain int8, [kernel_h][kernel_w][out.c],
// out.c a multiple of in.c. The bias has -zero point * sum of weights in it; taps outside the input read the zero point.
typedef struct {
    tw_shape_t in, out;
    uint8_t kernel_h, kernel_w, stride_h, stride_w; // bytes come first: Cortex-M0 reaches no further
    uint8_t pad_top, pad_left, dilation_h, dilation_w;
    int8_t act_min, act_max;
    uint16_t reserved;
    const uint8_t *weights;
    const int32_t *bias; // out.c
    tw_requant_t requant;
    tw_help_t help;
} tw_conv_t;

void tw_conv2d_s8(const tw_conv_t *p, const int8_t *x, int8_t *y);
void tw_depthwise_s8(const tw_conv_t *p, const int8_t *x, int8_t *y);

// FULLY_CONNECTED: x [rows][depth], weights [units / 2][row of depth / 2][2 units][2 taps] and a row of the unit that is left,
// y [rows][units], a row at a time. Bias as in CONV_2D.
typedef struct {
    uint32_t rows, depth;
    uint16_t units;
    int16_t out_zero_point;
    uint8_t per_channel; // 1: one multiplier a unit; 0: one for all
    int8_t act_min, act_max;
    const uint8_t *weights;
    const int32_t *bias; // units
    tw_requant_t requant;
    tw_help_t help;
} tw_fully_connected_t;

enum {
    TW_PART_FIRST = 1,
    TW_PART_MIDDLE = 2,
    TW_PART_LAST = 3,
};

// FULLY_CONNECTED_PART: one row, sums [units] carried from part to part, each with a bias of its own; y is written by the last
// one only.
typedef struct {
    tw_fully_connected_t fc;
    uint8_t part;
} tw_fully_connected_part_t;

void tw_fully_connected_part_s8(const tw_fully_connected_part_t *p, const int8_t *x, uint32_t *sums, int8_t *y);
void tw_fully_connected_from(const tw_fully_connected_t *p, uint32_t unit, const int8_t *x, int8_t *y); // one row
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

// MEAN over w: y [h][c], a row at a time.
typedef struct {
    tw_shape_t in;
    int16_t out_zero_point;
    int32_t multiplier; // with 1 / w in it
    int8_t shift;
} tw_mean_t;

void tw_mean_s8(const tw_mean_t *p, const int8_t *x, int8_t *y);

// TABLE: y = table[x], an element at a time, in place or not. Any type.
typedef struct {
    uint32_t count;
    const uint8_t *table; // 256
} tw_table_t;

void tw_table_map(const tw_table_t *p, const uint8_t *x, uint8_t *y);

// SOFTMAX over c, a row at a time, in place or not: output scale 1/256, zero point -128.
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

// ADD and MUL: an element at a time, in place or not. Every axis of an input is as long as the output's, or 1 and repeated.
typedef struct {
    tw_shape_t in, in2, out;
    int8_t act_min, act_max;
} tw_pair_t;

// ADD: three requantisations, of x, x2 and their sum (or difference).
typedef struct {
    tw_pair_t pair;
    int32_t multiplier[3];
    int8_t shift[3]; // -31..0
    uint8_t subtract;
} tw_add_t;

void tw_add_s8(const tw_add_t *p, const int8_t *x, const int8_t *x2, int8_t *y);

typedef struct {
    tw_pair_t pair;
    int32_t multiplier;
    int8_t shift;
} tw_mul_t;

void tw_mul_s8(const tw_mul_t *p, const int8_t *x, const int8_t *x2, int8_t *y);

// COPY: counts[0] * counts[1] * counts[2] runs, the last index fastest, a run at a time. Any type. Where the output is
// filled first, it does not lie over the input.
typedef struct {
    uint32_t offset;     // elements, as all here
    uint32_t strides[3]; // anything where the count is 1
} tw_copy_side_t;

typedef struct {
    tw_copy_side_t in, out;
    uint32_t counts[3];
    uint32_t run;
    uint32_t out_count;
    uint8_t filled;
    int8_t fill;
} tw_copy_t;

void tw_copy_runs(const tw_copy_t *p, const uint8_t *x, uint8_t *y);

#endif
