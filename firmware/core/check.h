// SPDX-License-Identifier: MIT
#ifndef TW_CHECK_H
#define TW_CHECK_H

#include "model.h"

// m->file is set and aligned, the rest of m zero. Fills in what the file says, or returns the first thing wrong with it.
int tw_check_file(tw_model_t *m, size_t len);

// The operators' part of it, in check_ops.c: tensors are already checked. Sets m->op_count.
int tw_check_ops(tw_model_t *m);

// offset + bytes <= limit, without overflow.
static inline bool tw_check_inside(uint64_t offset, uint64_t bytes, uint64_t limit) {
    return offset <= limit && bytes <= limit - offset;
}

#endif
