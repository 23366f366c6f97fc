// SPDX-License-Identifier: MIT
// Byte layout of the records: models/SPEC.md, TENSORS and OPS.
#include "decode.h"

#include "bytes.h"

void tw_decode_io(const tw_model_t *m, tw_io_t *io) {
    const uint8_t *r = m->io;
    for (int i = 0; i < 2; ++i) {
        io->tensor[i] = le16(r + 2 * i);
        io->mantissa[i] = (int32_t)le32(r + 8 + 4 * i);
        io->exponent[i] = (int8_t)r[16 + i];
        io->rank[i] = r[18 + i];
    }
    io->warmup = le16(r + 4);
    io->frames = le16(r + 6);
}

void tw_decode_tensor(const tw_model_t *m, uint32_t index, tw_tensor_t *t) {
    const uint8_t *r = m->tensors + index * TW_TENSOR_BYTES;
    t->offset = le32(r);
    t->shape.h = le16(r + 4);
    t->shape.w = le16(r + 6);
    t->shape.c = le16(r + 8);
    t->type = r[10];
    t->place = r[11];
    t->shape.zero_point = (int16_t)le16(r + 12);
    t->fill = (int8_t)r[14];
    t->reserved = r[15];
}

void tw_decode_op(const uint8_t *r, tw_op_t *op) {
    op->code = r[0];
    op->flags = r[1];
    op->bytes = le16(r + 2);
    op->in = le16(r + 4);
    op->out = le16(r + 6);
}

uint32_t tw_decode_op_bytes(uint8_t code) {
    switch (code) {
        case TW_OP_CONV_2D:
        case TW_OP_DEPTHWISE_CONV_2D:
            return 32;
        case TW_OP_FULLY_CONNECTED:
            return 24;
        case TW_OP_AVERAGE_POOL_2D:
        case TW_OP_MAX_POOL_2D:
        case TW_OP_MEAN:
        case TW_OP_LOGISTIC:
        case TW_OP_SOFTMAX:
            return 16;
        case TW_OP_STATE_PUSH:
            return TW_OP_HEAD_BYTES;
        default:
            return 0;
    }
}

uint8_t *tw_decode_address(const tw_model_t *m, const tw_tensor_t *t) {
    switch (t->place) {
        case TW_PLACE_STATE:
            return m->state + t->offset;
        case TW_PLACE_WEIGHTS:
            return (uint8_t *)(uintptr_t)(m->weights + t->offset);
        default:
            return m->arena + t->offset;
    }
}

static tw_shape_t shape_of(const tw_model_t *m, uint16_t index) {
    tw_tensor_t t;
    tw_decode_tensor(m, index, &t);
    return t.shape;
}

// Offsets may be wrong until check_ops.c has looked at them, so addresses are formed as integers.
static const void *weights_at(const tw_model_t *m, uint32_t offset) {
    return (const void *)((uintptr_t)m->weights + offset);
}

static tw_requant_t requant_at(const tw_model_t *m, uint32_t offset, uint32_t channels) {
    const tw_requant_t q = {weights_at(m, offset), weights_at(m, offset + 4 * channels)};
    return q;
}

void tw_decode_conv(const tw_model_t *m, const uint8_t *r, tw_conv_t *p, tw_offsets_t *at) {
    at->weights = le32(r + 8);
    at->bias = le32(r + 12);
    at->requant = le32(r + 16);
    p->in = shape_of(m, le16(r + 4));
    p->out = shape_of(m, le16(r + 6));
    p->weights = weights_at(m, at->weights);
    p->bias = weights_at(m, at->bias);
    p->requant = requant_at(m, at->requant, p->out.c);
    p->kernel_h = r[20];
    p->kernel_w = r[21];
    p->stride_h = r[22];
    p->stride_w = r[23];
    p->pad_top = r[24];
    p->pad_left = r[25];
    p->dilation_h = r[26];
    p->dilation_w = r[27];
    p->act_min = (int8_t)r[28];
    p->act_max = (int8_t)r[29];
}

void tw_decode_fully_connected(const tw_model_t *m, const uint8_t *r, tw_fully_connected_t *p, tw_offsets_t *at) {
    const tw_shape_t in = shape_of(m, le16(r + 4));
    const tw_shape_t out = shape_of(m, le16(r + 6));
    at->weights = le32(r + 8);
    at->bias = le32(r + 12);
    at->requant = le32(r + 16);
    p->rows = (uint32_t)out.h * out.w;
    p->depth = tw_shape_count(&in) / p->rows;
    p->units = out.c;
    p->in_zero_point = in.zero_point;
    p->out_zero_point = out.zero_point;
    p->act_min = (int8_t)r[20];
    p->act_max = (int8_t)r[21];
    p->per_channel = r[22];
    p->weights = weights_at(m, at->weights);
    p->bias = weights_at(m, at->bias);
    p->requant = requant_at(m, at->requant, p->per_channel ? p->units : 1);
}

void tw_decode_pool(const tw_model_t *m, const uint8_t *r, tw_pool_t *p) {
    p->in = shape_of(m, le16(r + 4));
    p->out = shape_of(m, le16(r + 6));
    p->kernel_h = r[8];
    p->kernel_w = r[9];
    p->stride_h = r[10];
    p->stride_w = r[11];
    p->pad_top = r[12];
    p->pad_left = r[13];
    p->act_min = (int8_t)r[14];
    p->act_max = (int8_t)r[15];
}

void tw_decode_mean(const tw_model_t *m, const uint8_t *r, tw_mean_t *p) {
    p->in = shape_of(m, le16(r + 4));
    p->out_zero_point = shape_of(m, le16(r + 6)).zero_point;
    p->multiplier = (int32_t)le32(r + 8);
    p->shift = (int8_t)r[12];
}

void tw_decode_logistic(const tw_model_t *m, const uint8_t *r, tw_logistic_t *p) {
    const tw_shape_t in = shape_of(m, le16(r + 4));
    p->count = tw_shape_count(&in);
    p->in_zero_point = in.zero_point;
    p->multiplier = (int32_t)le32(r + 8);
    p->shift = (int8_t)r[12];
    p->radius = le16(r + 14);
}

void tw_decode_softmax(const tw_model_t *m, const uint8_t *r, tw_softmax_t *p) {
    const tw_shape_t in = shape_of(m, le16(r + 4));
    p->rows = (uint32_t)in.h * in.w;
    p->c = in.c;
    p->multiplier = (int32_t)le32(r + 8);
    p->shift = (int8_t)r[12];
    p->diff_min = (int16_t)le16(r + 14);
}
