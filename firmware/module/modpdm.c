// SPDX-License-Identifier: MIT
// _tinywake_pdm: bits that DMA has put into a ring to samples. _tinywake_pdm.pyi is its documentation. A module of its
// own, because native code costs RAM: only boards with a PDM microphone load it.
#ifdef MICROPY_ENABLE_DYNRUNTIME
#include "py/dynruntime.h"
#else
#include "py/obj.h"
#include "py/runtime.h"
#endif

#include "pdm.h"

static mp_obj_t decimate(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mp_buffer_info_t state, ring, out;
    mp_get_buffer_raise(args[0], &state, MP_BUFFER_RW);
    mp_get_buffer_raise(args[1], &ring, MP_BUFFER_READ);
    mp_get_buffer_raise(args[5], &out, MP_BUFFER_WRITE);
    const size_t start = (size_t)mp_obj_get_int(args[2]), count = (size_t)mp_obj_get_int(args[3]);
    const size_t shift = (size_t)mp_obj_get_int(args[4]);
    tw_pdm_t *p = state.buf;
    // Negative numbers are large ones here.
    if (state.len < sizeof *p || start >= ring.len || count > ring.len || shift - 8 > 8
        || ((uintptr_t)state.buf % 4 | (uintptr_t)out.buf % 2) || tw_pdm_samples(p, count) > out.len / 2) {
        mp_raise_ValueError(MP_ERROR_TEXT("TW_ERR_RANGE"));
    }
    const size_t to_end = ring.len - start, first = count < to_end ? count : to_end;
    int16_t *samples = out.buf;
    const size_t made = tw_pdm_samples(p, first);
    tw_pdm_push(p, (const uint8_t *)ring.buf + start, first, shift, samples);
    tw_pdm_push(p, ring.buf, count - first, shift, samples + made);
    return MP_OBJ_NEW_SMALL_INT((mp_int_t)(count < to_end ? start + count : count - to_end));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(decimate_obj, 6, 6, decimate);

#ifdef MICROPY_ENABLE_DYNRUNTIME

// Visible to mpy_ld: natmod.mk compiles all as one program.
__attribute__((externally_visible)) mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_decimate, MP_OBJ_FROM_PTR(&decimate_obj));
    MP_DYNRUNTIME_INIT_EXIT
}

#else

static const mp_rom_map_elem_t module_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__tinywake_pdm)},
    {MP_ROM_QSTR(MP_QSTR_decimate), MP_ROM_PTR(&decimate_obj)},
};
static MP_DEFINE_CONST_DICT(module_globals, module_globals_table);

const mp_obj_module_t tinywake_pdm_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&module_globals,
};
MP_REGISTER_MODULE(MP_QSTR__tinywake_pdm, tinywake_pdm_module);

#endif
