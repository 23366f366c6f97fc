// SPDX-License-Identifier: MIT
#include "backlog.h"

#include "decode.h"

#include <string.h>

#define MAX_BYTES (1u << 24) // as of an arena

// Where a tensor in state ends, otherwise 0.
static uint32_t end_in_state(const tw_model_t *m, uint32_t index) {
    tw_tensor_t t;
    tw_decode_tensor(m, index, &t);
    return t.place == TW_PLACE_STATE ? t.offset + tw_tensor_count(&t) : 0;
}

int tw_backlog_reach(const tw_model_t *m) {
    uint32_t reach = 0;
    uint32_t moved = 0; // windows up to here have moved; what has not lies above, and is not read
    const uint8_t *record = m->ops;
    for (uint32_t i = 0; i < m->op_count; ++i) {
        tw_op_t op;
        tw_decode_op(record, &op);
        bool endless = end_in_state(m, op.in) > moved;
        endless |= tw_decode_has_in2(op.code) && end_in_state(m, tw_decode_in2(record)) > moved;
        if (op.code == TW_OP_STATE_PUSH) {
            tw_tensor_t in, out;
            tw_decode_tensor(m, op.in, &in);
            tw_decode_tensor(m, op.out, &out);
            // Windows in a row add up. Where they lie side by side this is more than is needed, which changes nothing.
            const uint32_t count = tw_tensor_count(&out);
            reach += (count - 1) / tw_tensor_count(&in);
            endless |= out.offset < moved || reach >= UINT16_MAX;
            moved = out.offset + count;
        } else {
            endless |= end_in_state(m, op.out) > 0;
        }
        if (endless) {
            return TW_ERR_STATE;
        }
        record += op.bytes;
    }
    return (int)reach;
}

int tw_backlog_open(tw_backlog_t *b, const tw_model_t *m) {
    const int reach = tw_backlog_reach(m);
    if (reach < 0) {
        return reach;
    }
    b->slots = (uint32_t)reach + 1;
    b->bytes = m->input_bytes;
    return b->bytes > MAX_BYTES / b->slots ? TW_ERR_ARENA : TW_OK;
}

void tw_backlog_reset(tw_backlog_t *b) {
    b->at = b->behind = b->left = 0;
}

uint8_t *tw_backlog_newest(const tw_backlog_t *b) {
    return b->inputs + b->at * b->bytes;
}

bool tw_backlog_full(const tw_backlog_t *b) {
    return b->left > b->slots;
}

static void load(const tw_backlog_t *b, const tw_model_t *m) {
    const uint32_t slot = b->at + (b->at < b->left ? b->slots : 0) - b->left;
    memcpy(m->input, b->inputs + slot * b->bytes, b->bytes);
}

void tw_backlog_push(tw_backlog_t *b, tw_model_t *m, bool asleep) {
    b->at = b->at + 1 == b->slots ? 0 : b->at + 1;
    if (asleep) {
        b->behind += b->behind < b->slots;
    } else if (b->left++ == 0) {
        if (b->behind == b->slots) {
            b->behind--;
            tw_model_reset(m);
        }
        b->left += b->behind;
        load(b, m);
    }
}

bool tw_backlog_next(tw_backlog_t *b, const tw_model_t *m) {
    b->behind -= b->behind > 0;
    b->left--;
    if (b->left) {
        load(b, m);
    }
    return b->left > 0;
}
