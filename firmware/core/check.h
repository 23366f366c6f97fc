// SPDX-License-Identifier: MIT
#ifndef TW_CHECK_H
#define TW_CHECK_H

#include "model.h"

// m->file is set and aligned, the rest of m zero. Fills in what the file says, or returns the first thing wrong with it.
int tw_check_file(tw_model_t *m, size_t len);

// The operators' part of it, in check_ops.c: tensors are already checked. Sets m->op_count.
int tw_check_ops(tw_model_t *m);

// offset + bytes <= limit, without overflow.
bool tw_check_inside(uint32_t offset, uint32_t bytes, uint32_t limit);

// a * b, or UINT32_MAX where that is less. Nothing that is checked may be as large.
uint32_t tw_check_product(uint32_t a, uint32_t b);

#endif
