// SPDX-License-Identifier: MIT
// One invoke, or a part of it: decode a record, call its kernel.
#include "arch.h"
#include "decode.h"

static int8_t *in2_of(const tw_model_t *m, const tw_tensors_t *t) {
    return (int8_t *)tw_decode_address(m, &t->in2);
}

// A call of it would cost as much as the smallest operators.
__attribute__((always_inline)) static inline void run_op(const tw_model_t *m, const uint8_t *record, uint8_t code) {
    tw_tensors_t t;
    tw_params_t p;
    tw_rest_t rest; // already checked
    tw_decode_params(m, record, &t, &p, &rest);
    const int8_t *x = (const int8_t *)tw_decode_address(m, &t.in);
    int8_t *y = (int8_t *)tw_decode_address(m, &t.out);
    switch (code) {
        case TW_OP_CONV_2D:
            TW_CONV2D(&p.conv, x, y);
            break;
        case TW_OP_DEPTHWISE_CONV_2D:
            TW_DEPTHWISE(&p.conv, x, y);
            break;
        case TW_OP_FULLY_CONNECTED:
            TW_FULLY_CONNECTED(&p.fully_connected, x, y);
            break;
        case TW_OP_AVERAGE_POOL_2D:
            tw_pool_average_s8(&p.pool, x, y);
            break;
        case TW_OP_MAX_POOL_2D:
            tw_pool_max_s8(&p.pool, x, y);
            break;
        case TW_OP_MEAN:
            tw_mean_s8(&p.mean, x, y);
            break;
        case TW_OP_TABLE:
            tw_table_map(&p.table, (const uint8_t *)x, (uint8_t *)y);
            break;
        case TW_OP_SOFTMAX:
            tw_softmax_s8(&p.softmax, x, y);
            break;
        case TW_OP_ADD:
            tw_add_s8(&p.add, x, in2_of(m, &t), y);
            break;
        case TW_OP_MUL:
            tw_mul_s8(&p.mul, x, in2_of(m, &t), y);
            break;
        case TW_OP_COPY:
            tw_copy_runs(&p.copy, (const uint8_t *)x, (uint8_t *)y);
            break;
        case TW_OP_FULLY_CONNECTED_PART:
            TW_FULLY_CONNECTED_PART(&p.part, x, (uint32_t *)(void *)in2_of(m, &t), y);
            break;
        default: // TW_OP_STATE_PUSH: check_ops.c lets no other code through
            tw_state_push(tw_tensor_count(&t.in), (const uint8_t *)x, tw_tensor_count(&t.out), (uint8_t *)y);
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
            run_op(m, record, op.code);
        }
        record += op.bytes;
    }
    return TW_OK;
}
