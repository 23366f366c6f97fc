// SPDX-License-Identifier: MIT
// _tinywake_rec: samples to compressed, checked lines. _tinywake_rec.pyi is its documentation. A module of its own,
// because native code costs RAM: only boards that record load it, and only then.
#ifdef MICROPY_ENABLE_DYNRUNTIME
#include "py/dynruntime.h"
#else
#include "py/obj.h"
#include "py/runtime.h"
#endif

#include "adpcm.h"
#include "pcmline.h"

// Negative numbers are large ones here.
static mp_obj_t encode(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mp_buffer_info_t state, pcm, out;
    mp_get_buffer_raise(args[0], &state, MP_BUFFER_RW);
    mp_get_buffer_raise(args[1], &pcm, MP_BUFFER_READ);
    mp_get_buffer_raise(args[4], &out, MP_BUFFER_RW);
    const size_t start = (size_t)mp_obj_get_int(args[2]), end = (size_t)mp_obj_get_int(args[3]);
    const size_t at = (size_t)mp_obj_get_int(args[5]), room = 2 * out.len;
    if (state.len < sizeof(tw_adpcm_t) || ((uintptr_t)state.buf | (uintptr_t)pcm.buf) % 2 || start > end
        || end > pcm.len / 2 || at > room || end - start > room - at) {
        mp_raise_ValueError(MP_ERROR_TEXT("TW_ERR_RANGE"));
    }
    tw_adpcm_encode(state.buf, (const int16_t *)pcm.buf + start, end - start, out.buf, at);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(encode_obj, 6, 6, encode);

static mp_obj_t line(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mp_buffer_info_t data, out;
    mp_get_buffer_raise(args[1], &data, MP_BUFFER_READ);
    mp_get_buffer_raise(args[4], &out, MP_BUFFER_WRITE);
    const size_t start = (size_t)mp_obj_get_int(args[2]), end = (size_t)mp_obj_get_int(args[3]);
    if (start > end || end > data.len || tw_pcmline_size(end - start) > out.len) {
        mp_raise_ValueError(MP_ERROR_TEXT("TW_ERR_RANGE"));
    }
    const uint32_t number = (uint32_t)mp_obj_get_int(args[0]);
    const size_t length = tw_pcmline_write(number, (const uint8_t *)data.buf + start, end - start, out.buf);
    return MP_OBJ_NEW_SMALL_INT((mp_int_t)length);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(line_obj, 5, 5, line);

#ifdef MICROPY_ENABLE_DYNRUNTIME

// Visible to mpy_ld: natmod.mk compiles all as one program.
__attribute__((externally_visible)) mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_encode, MP_OBJ_FROM_PTR(&encode_obj));
    mp_store_global(MP_QSTR_line, MP_OBJ_FROM_PTR(&line_obj));
    MP_DYNRUNTIME_INIT_EXIT
}

#else

static const mp_rom_map_elem_t module_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__tinywake_rec)},
    {MP_ROM_QSTR(MP_QSTR_encode), MP_ROM_PTR(&encode_obj)},
    {MP_ROM_QSTR(MP_QSTR_line), MP_ROM_PTR(&line_obj)},
};
static MP_DEFINE_CONST_DICT(module_globals, module_globals_table);

const mp_obj_module_t tinywake_rec_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&module_globals,
};
MP_REGISTER_MODULE(MP_QSTR__tinywake_rec, tinywake_rec_module);

#endif
