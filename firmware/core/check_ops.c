// SPDX-License-Identifier: MIT
// The checks of operator records: shapes agree, every weight, bias and multiplier lies inside WEIGHTS, shifts are
// shifts. After them a kernel cannot fail, whatever its numbers mean.
#include "bytes.h"
#include "check.h"
#include "decode.h"

// Reads of int32 tables are aligned because the file's base and the section are, and the offset is checked here.
static bool words_inside(const tw_model_t *m, uint32_t offset, uint64_t bytes) {
    return offset % 4 == 0 && tw_check_inside(offset, bytes, m->weights_bytes);
}

static bool requant_valid(int32_t multiplier, int32_t shift) {
    return multiplier >= 0 && shift >= -31 && shift <= 30;
}

static bool channels_valid(const tw_model_t *m, const tw_offsets_t *at, const tw_requant_t *q, uint32_t units, uint32_t n) {
    if (!words_inside(m, at->bias, 4 * (uint64_t)units) || !words_inside(m, at->requant, 5 * (uint64_t)n)) {
        return false;
    }
    for (uint32_t i = 0; i < n; ++i) {
        if (!requant_valid(q->multiplier[i], q->shift[i])) {
            return false;
        }
    }
    return true;
}

// Along one axis: some tap of the last window lies inside the padded input, and padding is less than a kernel.
static bool axis_valid(uint32_t in, uint32_t out, uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pad) {
    return kernel && stride && dilation && pad < (kernel - 1) * dilation + 1 && (out - 1) * stride < in + pad;
}

static bool conv_valid(const tw_model_t *m, const uint8_t *record, bool depthwise) {
    tw_conv_t p;
    tw_offsets_t at;
    tw_decode_conv(m, record, &p, &at);
    if (depthwise && p.out.c % p.in.c) {
        return false;
    }
    const uint64_t taps = (uint64_t)p.kernel_h * p.kernel_w;
    const uint64_t bytes = depthwise ? taps * p.out.c : taps * p.in.c * p.out.c;
    return le16(record + 30) == 0 && p.act_min <= p.act_max &&
           axis_valid(p.in.h, p.out.h, p.kernel_h, p.stride_h, p.dilation_h, p.pad_top) &&
           axis_valid(p.in.w, p.out.w, p.kernel_w, p.stride_w, p.dilation_w, p.pad_left) &&
           tw_check_inside(at.weights, bytes, m->weights_bytes) && channels_valid(m, &at, &p.requant, p.out.c, p.out.c);
}

static bool fully_connected_valid(const tw_model_t *m, const uint8_t *record, uint32_t in_count) {
    tw_fully_connected_t p;
    tw_offsets_t at;
    tw_decode_fully_connected(m, record, &p, &at);
    return p.per_channel <= 1 && record[23] == 0 && p.act_min <= p.act_max && p.depth != 0 &&
           p.rows * (uint64_t)p.depth == in_count && tw_check_inside(at.weights, (uint64_t)p.units * p.depth, m->weights_bytes) &&
           channels_valid(m, &at, &p.requant, p.units, p.per_channel ? p.units : 1);
}

static bool pool_valid(const tw_model_t *m, const uint8_t *record) {
    tw_pool_t p;
    tw_decode_pool(m, record, &p);
    return p.in.c == p.out.c && p.act_min <= p.act_max &&
           axis_valid(p.in.h, p.out.h, p.kernel_h, p.stride_h, 1, p.pad_top) &&
           axis_valid(p.in.w, p.out.w, p.kernel_w, p.stride_w, 1, p.pad_left);
}

static bool op_valid(const tw_model_t *m, const uint8_t *record, const tw_op_t *op) {
    tw_tensor_t in, out;
    tw_decode_tensor(m, op->in, &in);
    tw_decode_tensor(m, op->out, &out);
    const uint32_t in_count = tw_shape_count(&in.shape);
    const uint32_t out_count = tw_shape_count(&out.shape);
    if (out.place == TW_PLACE_WEIGHTS) {
        return false;
    }
    if (op->code == TW_OP_STATE_PUSH) {
        return out.place == TW_PLACE_STATE && in.type == out.type && in_count <= out_count;
    }
    if (in.type != TW_TYPE_INT8 || out.type != TW_TYPE_INT8) {
        return false;
    }
    const int32_t multiplier = (int32_t)le32(record + 8); // MEAN, LOGISTIC and SOFTMAX have these two here
    const int32_t shift = (int8_t)record[12];
    switch (op->code) {
        case TW_OP_CONV_2D:
        case TW_OP_DEPTHWISE_CONV_2D:
            return conv_valid(m, record, op->code == TW_OP_DEPTHWISE_CONV_2D);
        case TW_OP_FULLY_CONNECTED:
            return fully_connected_valid(m, record, in_count);
        case TW_OP_AVERAGE_POOL_2D:
        case TW_OP_MAX_POOL_2D:
            return pool_valid(m, record);
        case TW_OP_MEAN:
            return requant_valid(multiplier, shift) && record[13] == 0 && le16(record + 14) == 0 &&
                   out_count == in.shape.c;
        case TW_OP_LOGISTIC:
            return requant_valid(multiplier, shift) && record[13] == 0 && in_count == out_count;
        default: // TW_OP_SOFTMAX
            return requant_valid(multiplier, shift) && shift >= 0 && record[13] == 0 && in_count == out_count &&
                   in.shape.c <= 4095 && (int16_t)le16(record + 14) <= 0;
    }
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
        if (bytes == 0 || op.bytes != bytes || op.flags) {
            return TW_ERR_OP;
        }
        if (!tw_check_inside(at, bytes, m->ops_bytes)) {
            return TW_ERR_TRUNCATED;
        }
        if (op.in >= m->tensor_count || op.out >= m->tensor_count || ++count > UINT16_MAX || !op_valid(m, m->ops + at, &op)) {
            return TW_ERR_OP;
        }
        at += bytes;
    }
    m->op_count = (uint16_t)count;
    return TW_OK;
}
