// SPDX-License-Identifier: MIT
// The three functions the core takes from libc, for native modules, which have no libc: the interpreter's own, through the
// table that every native module is given. User C modules and the host link the real ones and leave this file out.
#include "py/dynruntime.h"

#undef KEEP
#define KEEP __attribute__((externally_visible)) // though all is compiled as one program, which may not call them

#undef memcpy
#undef memmove
#undef memset

KEEP void *memmove(void *dest, const void *src, size_t n) {
    return mp_fun_table.memmove_(dest, src, n);
}

// Not the same body again: gcc would fold the two into one, call it memcpy, and expand that, which may not overlap.
KEEP void *memcpy(void *dest, const void *src, size_t n) {
    return memmove(dest, src, n);
}

KEEP void *memset(void *s, int c, size_t n) {
    return mp_fun_table.memset_(s, c, n);
}
