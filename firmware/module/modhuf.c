// SPDX-License-Identifier: MIT
// _tinywake_huf: a coded model to an ordinary one. _tinywake_huf.pyi is its documentation. A module of its own, because
// native code costs RAM: only boards with a coded model load it.
#ifdef MICROPY_ENABLE_DYNRUNTIME
#include "py/dynruntime.h"
#else
#include "py/obj.h"
#include "py/runtime.h"
#endif

#include "coded.h"

#include <string.h>

static int32_t checked(int32_t code) {
    if (code >= 0) {
        return code;
    }
    const char *name = "TW_ERR_TRUNCATED\0TW_ERR_MAGIC\0TW_ERR_VERSION\0";
    if (code <= TW_ERR_OVERFULL) {
        name = "TW_ERR_OVERFULL\0TW_ERR_UNDERFULL\0TW_ERR_TOO_LONG\0TW_ERR_SYMBOL\0TW_ERR_RUN\0";
        code -= TW_ERR_OVERFULL + 1;
    }
    while (++code < 0) {
        while (*name++) {
        }
    }
    mp_raise_msg(&mp_type_ValueError, (mp_rom_error_text_t)name);
}

static tw_coded_t *state_of(mp_obj_t obj) {
    mp_buffer_info_t state;
    mp_get_buffer_raise(obj, &state, MP_BUFFER_RW);
    if (state.len < sizeof(tw_coded_t) || (uintptr_t)state.buf % sizeof(void *)) {
        mp_raise_ValueError(MP_ERROR_TEXT("TW_ERR_RANGE"));
    }
    return state.buf;
}

static mp_obj_t begin(mp_obj_t state, mp_obj_t head, mp_obj_t size) {
    mp_buffer_info_t first;
    mp_get_buffer_raise(head, &first, MP_BUFFER_READ);
    const size_t all = (size_t)mp_obj_get_int(size);
    const size_t len = first.len < TW_CODED_HEADER_BYTES ? first.len : all;
    return MP_OBJ_NEW_SMALL_INT(checked(tw_coded_open(state_of(state), first.buf, len)));
}
static MP_DEFINE_CONST_FUN_OBJ_3(begin_obj, begin);

// Negative numbers are large ones here.
static mp_obj_t push(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mp_buffer_info_t in, image;
    tw_coded_t *c = state_of(args[0]);
    mp_get_buffer_raise(args[1], &in, MP_BUFFER_READ);
    mp_get_buffer_raise(args[4], &image, MP_BUFFER_WRITE);
    const size_t start = (size_t)mp_obj_get_int(args[2]), end = (size_t)mp_obj_get_int(args[3]);
    if (start > end || end > in.len || image.len < c->image_bytes) {
        mp_raise_ValueError(MP_ERROR_TEXT("TW_ERR_RANGE"));
    }
    return MP_OBJ_NEW_SMALL_INT(checked(tw_coded_push(c, (const uint8_t *)in.buf + start, end - start, image.buf)));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(push_obj, 5, 5, push);

static mp_obj_t done(mp_obj_t state) {
    return mp_obj_new_bool(tw_coded_done(state_of(state)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(done_obj, done);

#ifdef MICROPY_ENABLE_DYNRUNTIME

// Visible to mpy_ld: natmod.mk compiles all as one program.
__attribute__((externally_visible)) mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_STATE, MP_OBJ_NEW_SMALL_INT(sizeof(tw_coded_t)));
    mp_store_global(MP_QSTR_begin, MP_OBJ_FROM_PTR(&begin_obj));
    mp_store_global(MP_QSTR_push, MP_OBJ_FROM_PTR(&push_obj));
    mp_store_global(MP_QSTR_done, MP_OBJ_FROM_PTR(&done_obj));
    MP_DYNRUNTIME_INIT_EXIT
}

#else

static const mp_rom_map_elem_t module_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__tinywake_huf)},
    {MP_ROM_QSTR(MP_QSTR_STATE), MP_ROM_INT(sizeof(tw_coded_t))},
    {MP_ROM_QSTR(MP_QSTR_begin), MP_ROM_PTR(&begin_obj)},
    {MP_ROM_QSTR(MP_QSTR_push), MP_ROM_PTR(&push_obj)},
    {MP_ROM_QSTR(MP_QSTR_done), MP_ROM_PTR(&done_obj)},
};
static MP_DEFINE_CONST_DICT(module_globals, module_globals_table);

const mp_obj_module_t tinywake_huf_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&module_globals,
};
MP_REGISTER_MODULE(MP_QSTR__tinywake_huf, tinywake_huf_module);

#endif
