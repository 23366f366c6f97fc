// SPDX-License-Identifier: MIT
// memmove, by words where the C library of a small core goes byte by byte.
#ifndef TW_MOVE_H
#define TW_MOVE_H

#include "arch.h"

#include <string.h>

#if TW_ARMV6M || TW_ARMV7EM
void tw_move(void *to, const void *from, size_t count);
#else
#define tw_move memmove
#endif

#endif
