// SPDX-License-Identifier: MIT
// _tinywake_i2s: the slots of an I2S microphone to samples, for CircuitPython, whose boards compile no machine code of
// their own. _tinywake_i2s.pyi is its documentation.
#include "py/dynruntime.h"

#include "i2s.h"

static mp_obj_t pack(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mp_buffer_info_t state, slots, out;
    mp_get_buffer_raise(args[0], &state, MP_BUFFER_RW);
    mp_get_buffer_raise(args[1], &slots, MP_BUFFER_READ);
    mp_get_buffer_raise(args[5], &out, MP_BUFFER_WRITE);
    const size_t first = (size_t)mp_obj_get_int(args[2]), step = (size_t)mp_obj_get_int(args[3]);
    const size_t count = (size_t)mp_obj_get_int(args[4]), there = slots.len / sizeof(int32_t);
    tw_i2s_t *p = state.buf;
    // Negative numbers are large ones here.
    if (state.len < sizeof *p || ((uintptr_t)state.buf % 4 | (uintptr_t)slots.buf % 4 | (uintptr_t)out.buf % 2)
        || count > out.len / 2 || step - 1 > 1 || first >= step || count * step > there
        || (uint32_t)p->shift - 8 > 9 || (uint32_t)p->late > 1) {
        mp_raise_ValueError(MP_ERROR_TEXT("TW_ERR_RANGE"));
    }
    tw_i2s_pack(p, (const int32_t *)slots.buf + first, step, count, out.buf);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(pack_obj, 6, 6, pack);

// Visible to mpy_ld: natmod.mk compiles all as one program.
__attribute__((externally_visible)) mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_pack, MP_OBJ_FROM_PTR(&pack_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
