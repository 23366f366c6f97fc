// SPDX-License-Identifier: MIT
// One invoke, or a part of it: decode a record, call its kernel.
#include "decode.h"

static void run_op(const tw_model_t *m, const uint8_t *record) {
    tw_op_t op;
    tw_tensor_t in, out;
    tw_decode_op(record, &op);
    tw_decode_tensor(m, op.in, &in);
    tw_decode_tensor(m, op.out, &out);
    const int8_t *x = (const int8_t *)tw_decode_address(m, &in);
    int8_t *y = (int8_t *)tw_decode_address(m, &out);
    union {
        tw_conv_t conv;
        tw_fully_connected_t fully_connected;
        tw_pool_t pool;
        tw_mean_t mean;
        tw_logistic_t logistic;
        tw_softmax_t softmax;
    } p;
    tw_offsets_t at;
    switch (op.code) {
        case TW_OP_CONV_2D:
            tw_decode_conv(m, record, &p.conv, &at);
            tw_conv2d_s8(&p.conv, x, y);
            break;
        case TW_OP_DEPTHWISE_CONV_2D:
            tw_decode_conv(m, record, &p.conv, &at);
            tw_depthwise_s8(&p.conv, x, y);
            break;
        case TW_OP_FULLY_CONNECTED:
            tw_decode_fully_connected(m, record, &p.fully_connected, &at);
            tw_fully_connected_s8(&p.fully_connected, x, y);
            break;
        case TW_OP_AVERAGE_POOL_2D:
            tw_decode_pool(m, record, &p.pool);
            tw_pool_average_s8(&p.pool, x, y);
            break;
        case TW_OP_MAX_POOL_2D:
            tw_decode_pool(m, record, &p.pool);
            tw_pool_max_s8(&p.pool, x, y);
            break;
        case TW_OP_MEAN:
            tw_decode_mean(m, record, &p.mean);
            tw_mean_s8(&p.mean, x, y);
            break;
        case TW_OP_LOGISTIC:
            tw_decode_logistic(m, record, &p.logistic);
            tw_logistic_s8(&p.logistic, x, y);
            break;
        case TW_OP_SOFTMAX:
            tw_decode_softmax(m, record, &p.softmax);
            tw_softmax_s8(&p.softmax, x, y);
            break;
        default: // TW_OP_STATE_PUSH: check_ops.c lets no other code through
            tw_state_push(tw_shape_count(&in.shape), (const uint8_t *)x, tw_shape_count(&out.shape), (uint8_t *)y);
            break;
    }
}

int tw_model_run(tw_model_t *m, uint32_t first, uint32_t last) {
    if (m->arena == NULL) {
        return TW_ERR_ARENA;
    }
    if (first > last || last > m->op_count) {
        return TW_ERR_RANGE;
    }
    const uint8_t *record = m->ops;
    for (uint32_t i = 0; i < last; ++i) {
        tw_op_t op;
        tw_decode_op(record, &op);
        if (i >= first) {
            run_op(m, record);
        }
        record += op.bytes;
    }
    return TW_OK;
}
