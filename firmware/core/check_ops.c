// SPDX-License-Identifier: MIT
// The checks of operator records: shapes agree, every weight, bias and multiplier lies inside WEIGHTS, shifts are
// shifts. After them a kernel cannot fail, whatever its numbers mean.
#include "check.h"
#include "decode.h"

// No operator has more than 2^32 taps: else a small file could keep a board busy for hours.
static bool work_valid(uint32_t taps, uint32_t times) {
    return (uint64_t)taps * times <= (uint64_t)1 << 32;
}

static bool requant_valid(int32_t multiplier, int32_t shift, int32_t most) {
    return multiplier >= 0 && shift >= -31 && shift <= most;
}

// ---- operators with weights

// Reads of int32 tables are aligned because the file's base and the section are, and the offset is checked here.
static bool words_inside(const tw_model_t *m, uint32_t offset, uint32_t bytes) {
    return offset % 4 == 0 && tw_check_inside(offset, bytes, m->weights_bytes);
}

static bool channels_valid(const tw_model_t *m, const tw_rest_t *rest, const tw_requant_t *q, uint32_t units, uint32_t n) {
    if (!words_inside(m, rest->bias, 4 * units) || !words_inside(m, rest->requant, 5 * n)) {
        return false;
    }
    const int32_t *multiplier = q->multiplier;
    const int8_t *shift = q->shift, *end = shift + n; // n is not 0, as no tensor is empty
    int32_t signs = 0, sizes = 0;
    do {
        signs |= *multiplier++;
        sizes |= (*shift ^ (*shift >> 7)) + 97; // bit 7 of it: not in -31..30
    } while (++shift < end);
    return signs >= 0 && sizes < 128; // as requant_valid has it
}

// Scratch is words in the arena.
static bool help_valid(const tw_model_t *m, const tw_help_t *help, const tw_rest_t *rest) {
    return rest->scratch % 4 == 0 && tw_check_inside(rest->scratch, help->scratch_bytes, m->arena_bytes - m->state_bytes);
}

// Along one axis: some tap of the last window lies inside the padded input, and padding is less than a kernel.
static bool window_valid(uint32_t in, uint32_t out, uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pad) {
    return kernel && stride && dilation && pad < (kernel - 1) * dilation + 1 && (out - 1) * stride < in + pad;
}

static bool conv_valid(const tw_model_t *m, const tw_conv_t *p, const tw_rest_t *rest, bool depthwise) {
    if (depthwise && p->out.c % p->in.c) {
        return false;
    }
    const uint32_t taps = (uint32_t)p->kernel_h * p->kernel_w; // of 16 bits, as are channels
    const uint32_t bytes = tw_check_product(depthwise ? taps : tw_row_bytes(taps * p->in.c), p->out.c);
    return help_valid(m, &p->help, rest) && p->act_min <= p->act_max &&
           window_valid(p->in.h, p->out.h, p->kernel_h, p->stride_h, p->dilation_h, p->pad_top) &&
           window_valid(p->in.w, p->out.w, p->kernel_w, p->stride_w, p->dilation_w, p->pad_left) &&
           (depthwise || rest->weights % 4 == 0) && tw_check_inside(rest->weights, bytes, m->weights_bytes) &&
           work_valid(bytes, (uint32_t)p->out.h * p->out.w) && channels_valid(m, rest, &p->requant, p->out.c, p->out.c);
}

static bool fully_connected_fits(const tw_model_t *m, const tw_fully_connected_t *p, const tw_rest_t *rest) {
    return help_valid(m, &p->help, rest) && p->per_channel <= 1 && p->act_min <= p->act_max &&
           rest->weights % 4 == 0 &&
           tw_check_inside(rest->weights, tw_check_product(p->units, tw_row_bytes(p->depth)), m->weights_bytes) &&
           channels_valid(m, rest, &p->requant, p->units, p->per_channel ? p->units : 1);
}

static bool fully_connected_valid(
    const tw_model_t *m, const tw_fully_connected_t *p, const tw_rest_t *rest, uint32_t in_count) {
    return p->depth != 0 && tw_check_product(p->rows, p->depth) == in_count && fully_connected_fits(m, p, rest);
}

// ---- operators of one input

static bool pool_valid(const tw_pool_t *p, uint32_t out_count) {
    return p->in.c == p->out.c && p->act_min <= p->act_max &&
           work_valid((uint32_t)p->kernel_h * p->kernel_w, out_count) &&
           window_valid(p->in.h, p->out.h, p->kernel_h, p->stride_h, 1, p->pad_top) &&
           window_valid(p->in.w, p->out.w, p->kernel_w, p->stride_w, 1, p->pad_left);
}

static bool mean_valid(const tw_mean_t *p, uint32_t out_count) {
    return requant_valid(p->multiplier, p->shift, 30) && (uint32_t)p->in.h * p->in.c == out_count;
}

static bool table_valid(const tw_model_t *m, const tw_table_t *p, const tw_rest_t *rest, uint32_t out_count) {
    return p->count == out_count && tw_check_inside(rest->weights, 256, m->weights_bytes);
}

static bool softmax_valid(const tw_softmax_t *p, uint32_t out_count) {
    return requant_valid(p->multiplier, p->shift, 30) && p->shift >= 0 && p->diff_min <= 0 &&
           p->c <= 4095 && p->rows * p->c == out_count;
}

// Every run of one side lies inside its tensor, of at most 2^24 elements.
static bool runs_inside(const tw_copy_t *p, const tw_copy_side_t *side, uint32_t tensor_count) {
    uint32_t last = side->offset;
    for (int i = 0; i < 3 && last <= tensor_count; ++i) {
        const uint32_t reach = tw_check_product(p->counts[i] - 1, side->strides[i]);
        last += reach < tensor_count ? reach : tensor_count;
    }
    return tw_check_inside(last, p->run, tensor_count);
}

// No more is copied than the output holds: else a small file could keep a reader busy for ever.
static bool copy_valid(const tw_copy_t *p, uint32_t in_count, uint32_t out_count) {
    uint32_t copied = p->run;
    for (int i = 0; i < 3; ++i) {
        copied = tw_check_product(copied, p->counts[i]);
    }
    return copied != 0 && copied <= out_count && p->filled <= 1 && (p->filled || p->fill == 0) &&
           runs_inside(p, &p->in, in_count) && runs_inside(p, &p->out, out_count);
}

// ---- operators of two inputs

static bool repeats(const tw_shape_t *in, const tw_shape_t *out) {
    return (in->h == out->h || in->h == 1) && (in->w == out->w || in->w == 1) && (in->c == out->c || in->c == 1);
}

static bool pair_valid(const tw_pair_t *p) {
    return repeats(&p->in, &p->out) && repeats(&p->in2, &p->out) && p->act_min <= p->act_max;
}

static bool add_valid(const tw_add_t *p) {
    for (int i = 0; i < 3; ++i) {
        if (!requant_valid(p->multiplier[i], p->shift[i], 0)) {
            return false;
        }
    }
    return pair_valid(&p->pair) && p->subtract <= 1;
}

static bool mul_valid(const tw_mul_t *p) {
    return pair_valid(&p->pair) && requant_valid(p->multiplier, p->shift, 30);
}

// Sums are words in the arena or in state; all but the last part write nothing else.
static bool part_valid(const tw_model_t *m, const tw_tensors_t *t, bool in2_is_out, const tw_fully_connected_part_t *p,
    const tw_rest_t *rest) {
    const tw_tensor_t *sums = &t->in2;
    return p->part >= TW_PART_FIRST && p->part <= TW_PART_LAST && sums->place != TW_PLACE_WEIGHTS &&
           sums->offset % 4 == 0 && sums->h == 1 && sums->w == 1 && sums->c % 4 == 0 &&
           (p->part == TW_PART_LAST ? tw_tensor_count(&t->out) == p->fc.units : in2_is_out) &&
           fully_connected_fits(m, &p->fc, rest);
}

// ---- all of them

static bool op_valid(const tw_model_t *m, const uint8_t *record, const tw_op_t *op) {
    const bool two = tw_decode_has_in2(op->code);
    if (op->in >= m->tensor_count || op->out >= m->tensor_count || (two && tw_decode_in2(record) >= m->tensor_count)) {
        return false;
    }
    tw_tensors_t t;
    tw_params_t p;
    tw_rest_t rest;
    tw_decode_params(m, record, &t, &p, &rest);
    const uint32_t in_count = tw_tensor_count(&t.in);
    const uint32_t out_count = tw_tensor_count(&t.out);
    const bool int8 = t.in.type == TW_TYPE_INT8 && t.out.type == TW_TYPE_INT8;
    if (t.out.place == TW_PLACE_WEIGHTS || rest.reserved || (two && !(int8 && t.in2.type == TW_TYPE_INT8))) {
        return false;
    }
    switch (op->code) {
        case TW_OP_CONV_2D:
        case TW_OP_DEPTHWISE_CONV_2D:
            return int8 && conv_valid(m, &p.conv, &rest, op->code == TW_OP_DEPTHWISE_CONV_2D);
        case TW_OP_FULLY_CONNECTED:
            return int8 && fully_connected_valid(m, &p.fully_connected, &rest, in_count);
        case TW_OP_AVERAGE_POOL_2D:
        case TW_OP_MAX_POOL_2D:
            return int8 && pool_valid(&p.pool, out_count);
        case TW_OP_MEAN:
            return int8 && mean_valid(&p.mean, out_count);
        case TW_OP_TABLE:
            return table_valid(m, &p.table, &rest, out_count);
        case TW_OP_SOFTMAX:
            return int8 && softmax_valid(&p.softmax, out_count);
        case TW_OP_STATE_PUSH:
            return t.out.place == TW_PLACE_STATE && t.in.type == t.out.type && in_count <= out_count;
        case TW_OP_ADD:
            return add_valid(&p.add);
        case TW_OP_MUL:
            return mul_valid(&p.mul);
        case TW_OP_FULLY_CONNECTED_PART:
            return part_valid(m, &t, tw_decode_in2(record) == op->out, &p.part, &rest);
        default: // TW_OP_COPY
            return t.in.type == t.out.type && copy_valid(&p.copy, in_count, out_count);
    }
}

// Those that an operator may have.
static uint8_t flags_of(uint8_t code) {
    return code <= TW_OP_FULLY_CONNECTED || code == TW_OP_FULLY_CONNECTED_PART ? TW_OP_BOUNDED : 0;
}

int tw_check_ops(tw_model_t *m) {
    uint32_t at = 0;
    uint32_t count = 0;
    while (at < m->ops_bytes) {
        tw_op_t op;
        if (!tw_check_inside(at, TW_OP_HEAD_BYTES, m->ops_bytes)) {
            return TW_ERR_TRUNCATED;
        }
        tw_decode_op(m->ops + at, &op);
        const uint32_t bytes = tw_decode_op_bytes(op.code);
        if (bytes == 0 || op.bytes != bytes || (op.flags & ~flags_of(op.code))) {
            return TW_ERR_OP;
        }
        if (!tw_check_inside(at, bytes, m->ops_bytes)) {
            return TW_ERR_TRUNCATED;
        }
        if (++count > UINT16_MAX || !op_valid(m, m->ops + at, &op)) {
            return TW_ERR_OP;
        }
        at += bytes;
    }
    m->op_count = (uint16_t)count;
    return TW_OK;
}
