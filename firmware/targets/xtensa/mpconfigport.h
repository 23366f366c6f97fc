// SPDX-License-Identifier: MIT
// The QEMU port's, but for what this processor and its compiler have in another way.
#include "../qemu/mpconfigport.h"

#undef MICROPY_EMIT_THUMB
#undef MICROPY_EMIT_INLINE_THUMB
#undef MICROPY_MAKE_POINTER_CALLABLE
#define MICROPY_EMIT_XTENSAWIN (1)
#define MICROPY_NLR_SETJMP (1)     // windows.S
#define MICROPY_GCREGS_SETJMP (1)  // which leaves all registers on the stack

// Its floats would be those of a libgcc that keeps to another calling convention.
#undef MICROPY_FLOAT_IMPL
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_NONE)
#undef MP_NEED_LOG2
