// SPDX-License-Identifier: MIT
// The records of a .twm as structs: the only code that knows their byte layout. Used by check*.c to check and by run.c to
// run. Callers have checked that the record is whole; the tensor indices in it are checked by check_ops.c first.
#ifndef TW_DECODE_H
#define TW_DECODE_H

#include "bytes.h"
#include "model.h"
#include "ops.h"

enum { // place of a tensor
    TW_PLACE_ARENA = 0,
    TW_PLACE_STATE = 1,
    TW_PLACE_WEIGHTS = 2,
};

enum { // type of a tensor
    TW_TYPE_INT8 = 0,
    TW_TYPE_UINT8 = 1,
};

enum { // section types; from TW_SECTION_OPTIONAL on, a reader skips what it does not know
    TW_SECTION_TENSORS = 1,
    TW_SECTION_OPS = 2,
    TW_SECTION_WEIGHTS = 3,
    TW_SECTION_IO = 4,
    TW_SECTION_FRONTEND = 5,
    TW_SECTION_INPUT_MAP = 6,
    TW_SECTION_DETECTOR = 7,
    TW_SECTION_OPTIONAL = 0x8000,
};

enum { // operator codes
    TW_OP_CONV_2D = 1,
    TW_OP_DEPTHWISE_CONV_2D = 2,
    TW_OP_FULLY_CONNECTED = 3,
    TW_OP_AVERAGE_POOL_2D = 4,
    TW_OP_MAX_POOL_2D = 5,
    TW_OP_MEAN = 6,
    TW_OP_TABLE = 7,
    TW_OP_SOFTMAX = 8,
    TW_OP_STATE_PUSH = 9,
    TW_OP_ADD = 10,
    TW_OP_MUL = 11,
    TW_OP_COPY = 12,
    TW_OP_FULLY_CONNECTED_PART = 13,
};

#define TW_HEADER_BYTES 32
#define TW_SECTION_BYTES 12
#define TW_TENSOR_BYTES 16
#define TW_OP_HEAD_BYTES 8
#define TW_OP_BOUNDED 1 // a flag: tw_help_t
#define TW_IO_HEAD_BYTES 20

// As in the file.
typedef struct {
    uint32_t offset;
    uint16_t h, w, c;
    uint8_t type, place;
    int16_t zero_point;
    int8_t fill;
    uint8_t reserved;
} tw_tensor_t;

// Of an operator.
typedef struct {
    tw_tensor_t in, out;
    tw_tensor_t in2; // if it has one
} tw_tensors_t;

typedef struct {
    uint8_t code, flags;
    uint16_t bytes; // of the whole record
    uint16_t in, out;
} tw_op_t;

// The IO section's head. [0] is the input, [1] the output; scale = mantissa * 2^exponent.
typedef struct {
    uint16_t tensor[2];
    uint16_t warmup, frames;
    int32_t mantissa[2];
    int8_t exponent[2];
    uint8_t rank[2];
} tw_io_t;

static inline uint32_t tw_tensor_count(const tw_tensor_t *t) {
    return (uint32_t)t->h * t->w * t->c;
}

void tw_decode_io(const tw_model_t *m, tw_io_t *io);
void tw_decode_tensor(const tw_model_t *m, uint32_t index, tw_tensor_t *t);

static inline void tw_decode_op(const uint8_t *record, tw_op_t *op) {
    op->code = record[0];
    op->flags = record[1];
    op->bytes = le16_aligned(record + 2);
    op->in = le16_aligned(record + 4);
    op->out = le16_aligned(record + 6);
}

// Whether an operator code that there is has a second input, and the index of it: of ADD, MUL, and the sums of
// FULLY_CONNECTED_PART.
static inline bool tw_decode_has_in2(uint8_t code) {
    return (1u << TW_OP_ADD | 1u << TW_OP_MUL | 1u << TW_OP_FULLY_CONNECTED_PART) >> code & 1;
}

uint16_t tw_decode_in2(const uint8_t *record);

// Record length of an operator code; 0: unknown.
uint32_t tw_decode_op_bytes(uint8_t code);

// Where a tensor's bytes are. Weights are never written: check_ops.c refuses them as an output.
uint8_t *tw_decode_address(const tw_model_t *m, const tw_tensor_t *t);

// The rest of a record, for check_ops.c: what it must look at before the pointers in a kernel's parameters mean anything.
typedef struct {
    uint32_t weights, bias, requant; // offsets into WEIGHTS, of those operators that have them
    uint32_t scratch;                // offset in the arena, of the same
    uint32_t reserved;               // all reserved bytes, or'ed
} tw_rest_t;

// What a kernel takes, by operator code; STATE_PUSH takes none.
typedef union {
    tw_conv_t conv; // of CONV_2D and DEPTHWISE_CONV_2D
    tw_fully_connected_t fully_connected;
    tw_fully_connected_part_t part;
    tw_pool_t pool;
    tw_mean_t mean;
    tw_table_t table;
    tw_softmax_t softmax;
    tw_add_t add;
    tw_mul_t mul;
    tw_copy_t copy;
} tw_params_t;

// All of a record but its head.
void tw_decode_params(const tw_model_t *m, const uint8_t *record, tw_tensors_t *t, tw_params_t *p, tw_rest_t *rest);

#endif
