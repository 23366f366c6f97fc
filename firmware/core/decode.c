// SPDX-License-Identifier: MIT
// Byte layout of the records: models/SPEC.md, TENSORS and OPS.
#include "decode.h"

// Between addresses that are multiples of 4, as records are.
static inline void copy_words(uint8_t *to, const uint8_t *from, size_t bytes) {
    __builtin_memcpy(__builtin_assume_aligned(to, 4), __builtin_assume_aligned(from, 4), bytes);
}

void tw_decode_io(const tw_model_t *m, tw_io_t *io) {
    const uint8_t *r = m->io;
    for (int i = 0; i < 2; ++i) {
        io->tensor[i] = le16_aligned(r + 2 * i);
        io->mantissa[i] = (int32_t)le32_aligned(r + 8 + 4 * i);
        io->exponent[i] = (int8_t)r[16 + i];
        io->rank[i] = r[18 + i];
    }
    io->warmup = le16_aligned(r + 4);
    io->frames = le16_aligned(r + 6);
}

void tw_decode_tensor(const tw_model_t *m, uint32_t index, tw_tensor_t *t) {
    const uint8_t *r = m->tensors + index * TW_TENSOR_BYTES;
    copy_words((uint8_t *)t, r, 8); // in two, as a compiler makes a call of more than 12 bytes
    copy_words((uint8_t *)t + 8, r + 8, 8);
}

uint16_t tw_decode_in2(const uint8_t *r) {
    return le16_aligned(r + 8);
}

uint32_t tw_decode_op_bytes(uint8_t code) {
    switch (code) {
        case TW_OP_CONV_2D:
        case TW_OP_DEPTHWISE_CONV_2D:
            return 40;
        case TW_OP_ADD:
        case TW_OP_FULLY_CONNECTED:
            return 32;
        case TW_OP_AVERAGE_POOL_2D:
        case TW_OP_MAX_POOL_2D:
        case TW_OP_MEAN:
        case TW_OP_SOFTMAX:
            return 16;
        case TW_OP_TABLE:
            return 12;
        case TW_OP_MUL:
            return 20;
        case TW_OP_COPY:
            return 60;
        case TW_OP_FULLY_CONNECTED_PART:
            return 36;
        case TW_OP_STATE_PUSH:
            return TW_OP_HEAD_BYTES;
        default:
            return 0;
    }
}

uint8_t *tw_decode_address(const tw_model_t *m, const tw_tensor_t *t) {
    const uint8_t *place = m->arena;
    if (t->place) {
        place = t->place == TW_PLACE_STATE ? m->state : m->weights;
    }
    return (uint8_t *)(uintptr_t)(place + t->offset);
}

static tw_shape_t shape_of(const tw_tensor_t *t) {
    const tw_shape_t shape = {t->h, t->w, t->c, t->zero_point};
    return shape;
}

static void decode_in2(const tw_model_t *m, const uint8_t *r, tw_tensors_t *t) {
    tw_decode_tensor(m, tw_decode_in2(r), &t->in2);
}

// Offsets may be wrong until check_ops.c has looked at them, so addresses are formed as integers.
static const void *weights_at(const tw_model_t *m, uint32_t offset) {
    return (const void *)((uintptr_t)m->weights + offset);
}

static tw_requant_t requant_at(const tw_model_t *m, uint32_t offset, uint32_t channels) {
    const tw_requant_t q = {weights_at(m, offset), weights_at(m, offset + 4 * channels)};
    return q;
}

// `f` is where the scratch's offset and size are, `r` the record's head.
static void decode_help(const tw_model_t *m, const uint8_t *r, const uint8_t *f, tw_help_t *help, tw_rest_t *rest) {
    rest->scratch = le32_aligned(f);
    help->scratch = (void *)((uintptr_t)m->arena + rest->scratch);
    help->scratch_bytes = le32_aligned(f + 4);
    help->bounded = r[1] & TW_OP_BOUNDED;
}

static void decode_conv(const tw_model_t *m, const uint8_t *r, const tw_tensors_t *t, tw_conv_t *p, tw_rest_t *rest) {
    rest->weights = le32_aligned(r + 8);
    rest->bias = le32_aligned(r + 12);
    rest->requant = le32_aligned(r + 16);
    p->in = shape_of(&t->in);
    p->out = shape_of(&t->out);
    p->weights = weights_at(m, rest->weights);
    p->bias = weights_at(m, rest->bias);
    p->requant = requant_at(m, rest->requant, p->out.c);
    copy_words((uint8_t *)p + offsetof(tw_conv_t, kernel_h), r + 20, 12); // to reserved, in the same order
    rest->reserved = p->reserved;
    decode_help(m, r, r + 32, &p->help, rest);
}

// The 24 bytes `f` that follow the head `r`; rows and units are known.
static void fully_connected_fields(const tw_model_t *m, const uint8_t *r, const uint8_t *f, tw_fully_connected_t *p,
    tw_rest_t *rest) {
    rest->weights = le32_aligned(f);
    rest->bias = le32_aligned(f + 4);
    rest->requant = le32_aligned(f + 8);
    rest->reserved = f[15];
    p->act_min = (int8_t)f[12];
    p->act_max = (int8_t)f[13];
    p->per_channel = f[14];
    p->weights = weights_at(m, rest->weights);
    p->bias = weights_at(m, rest->bias);
    p->requant = requant_at(m, rest->requant, p->per_channel ? p->units : 1);
    decode_help(m, r, f + 16, &p->help, rest);
}

static void decode_fully_connected(
    const tw_model_t *m, const uint8_t *r, const tw_tensors_t *t, tw_fully_connected_t *p, tw_rest_t *rest) {
    p->rows = (uint32_t)t->out.h * t->out.w;
    p->depth = tw_tensor_count(&t->in);
    if (p->rows > 1) { // a division takes its time on a small core
        p->depth /= p->rows;
    }
    p->units = t->out.c;
    p->out_zero_point = t->out.zero_point;
    fully_connected_fields(m, r, r + 8, p, rest);
}

static void decode_fully_connected_part(
    const tw_model_t *m, const uint8_t *r, tw_tensors_t *t, tw_fully_connected_part_t *p, tw_rest_t *rest) {
    decode_in2(m, r, t);
    p->part = r[10];
    p->fc.rows = 1;
    p->fc.depth = tw_tensor_count(&t->in);
    p->fc.units = (uint16_t)(t->in2.c / 4); // the sums
    p->fc.out_zero_point = t->out.zero_point;
    fully_connected_fields(m, r, r + 12, &p->fc, rest);
    rest->reserved |= r[11];
}

static void decode_pool(const uint8_t *r, const tw_tensors_t *t, tw_pool_t *p) {
    p->in = shape_of(&t->in);
    p->out = shape_of(&t->out);
    copy_words((uint8_t *)p + offsetof(tw_pool_t, kernel_h), r + 8, 8); // to act_max, in the same order
}

static void decode_mean(const uint8_t *r, const tw_tensors_t *t, tw_mean_t *p, tw_rest_t *rest) {
    rest->reserved = r[13] | (uint32_t)le16_aligned(r + 14);
    p->in = shape_of(&t->in);
    p->out_zero_point = t->out.zero_point;
    p->multiplier = (int32_t)le32_aligned(r + 8);
    p->shift = (int8_t)r[12];
}

static void decode_table(const tw_model_t *m, const uint8_t *r, const tw_tensors_t *t, tw_table_t *p, tw_rest_t *rest) {
    rest->weights = le32_aligned(r + 8);
    p->count = tw_tensor_count(&t->in);
    p->table = weights_at(m, rest->weights);
}

static void decode_softmax(const uint8_t *r, const tw_tensors_t *t, tw_softmax_t *p, tw_rest_t *rest) {
    rest->reserved = r[13];
    p->rows = (uint32_t)t->in.h * t->in.w;
    p->c = t->in.c;
    p->multiplier = (int32_t)le32_aligned(r + 8);
    p->shift = (int8_t)r[12];
    p->diff_min = (int16_t)le16_aligned(r + 14);
}

static void decode_pair(const tw_model_t *m, const uint8_t *r, tw_tensors_t *t, tw_pair_t *p) {
    decode_in2(m, r, t);
    p->in = shape_of(&t->in);
    p->in2 = shape_of(&t->in2);
    p->out = shape_of(&t->out);
    p->act_min = (int8_t)r[10];
    p->act_max = (int8_t)r[11];
}

static void decode_add(const tw_model_t *m, const uint8_t *r, tw_tensors_t *t, tw_add_t *p, tw_rest_t *rest) {
    rest->reserved = le32_aligned(r + 28);
    decode_pair(m, r, t, &p->pair);
    for (int i = 0; i < 3; ++i) {
        p->multiplier[i] = (int32_t)le32_aligned(r + 12 + 4 * i);
        p->shift[i] = (int8_t)r[24 + i];
    }
    p->subtract = r[27];
}

static void decode_mul(const tw_model_t *m, const uint8_t *r, tw_tensors_t *t, tw_mul_t *p, tw_rest_t *rest) {
    rest->reserved = r[17] | (uint32_t)le16_aligned(r + 18);
    decode_pair(m, r, t, &p->pair);
    p->multiplier = (int32_t)le32_aligned(r + 12);
    p->shift = (int8_t)r[16];
}

static void decode_copy(const uint8_t *r, const tw_tensors_t *t, tw_copy_t *p, tw_rest_t *rest) {
    rest->reserved = le16_aligned(r + 58);
    p->in.offset = le32_aligned(r + 8);
    p->out.offset = le32_aligned(r + 12);
    for (int i = 0; i < 3; ++i) {
        p->counts[i] = le32_aligned(r + 16 + 4 * i);
        p->in.strides[i] = le32_aligned(r + 32 + 4 * i);
        p->out.strides[i] = le32_aligned(r + 44 + 4 * i);
    }
    p->run = le32_aligned(r + 28);
    p->out_count = tw_tensor_count(&t->out);
    p->filled = r[56];
    p->fill = (int8_t)r[57];
}

void tw_decode_params(const tw_model_t *m, const uint8_t *r, tw_tensors_t *t, tw_params_t *p, tw_rest_t *rest) {
    rest->reserved = 0;
    tw_decode_tensor(m, le16_aligned(r + 4), &t->in);
    tw_decode_tensor(m, le16_aligned(r + 6), &t->out);
    switch (r[0]) {
        case TW_OP_CONV_2D:
        case TW_OP_DEPTHWISE_CONV_2D:
            decode_conv(m, r, t, &p->conv, rest);
            break;
        case TW_OP_FULLY_CONNECTED:
            decode_fully_connected(m, r, t, &p->fully_connected, rest);
            break;
        case TW_OP_AVERAGE_POOL_2D:
        case TW_OP_MAX_POOL_2D:
            decode_pool(r, t, &p->pool);
            break;
        case TW_OP_MEAN:
            decode_mean(r, t, &p->mean, rest);
            break;
        case TW_OP_TABLE:
            decode_table(m, r, t, &p->table, rest);
            break;
        case TW_OP_SOFTMAX:
            decode_softmax(r, t, &p->softmax, rest);
            break;
        case TW_OP_ADD:
            decode_add(m, r, t, &p->add, rest);
            break;
        case TW_OP_MUL:
            decode_mul(m, r, t, &p->mul, rest);
            break;
        case TW_OP_COPY:
            decode_copy(r, t, &p->copy, rest);
            break;
        case TW_OP_FULLY_CONNECTED_PART:
            decode_fully_connected_part(m, r, t, &p->part, rest);
            break;
        default: // TW_OP_STATE_PUSH
            break;
    }
}
