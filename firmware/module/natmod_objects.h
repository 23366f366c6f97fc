// SPDX-License-Identifier: MIT
// Names that a module's source must not use. A native module is compiled with the headers' own object representation
// (MICROPY_OBJ_REPR_A); boards may have another, as CircuitPython's have (C). What these do is compiled into it: right
// on the unix port, wrong there. Small integers and pointers are alike in both, so that mp_obj_is_small_int,
// mp_obj_is_obj and mp_obj_is_type may be used. Of all else mp_obj_get_type tells: there the interpreter itself looks.
#ifndef TINYWAKE_NATMOD_OBJECTS_H
#define TINYWAKE_NATMOD_OBJECTS_H

#include "py/dynruntime.h"

// Those that are macros: gcc warns of poison for them.
#undef mp_obj_is_float
#undef mp_obj_is_str
#undef mp_obj_is_str_or_bytes
#undef MP_OBJ_IMMEDIATE_OBJ_VALUE
#undef MP_OBJ_NEW_IMMEDIATE_OBJ
#pragma GCC poison mp_obj_is_qstr mp_obj_is_str mp_obj_is_str_or_bytes mp_obj_is_float mp_obj_float_get
#pragma GCC poison mp_obj_is_immediate_obj mp_obj_is_integer MP_OBJ_IMMEDIATE_OBJ_VALUE MP_OBJ_NEW_IMMEDIATE_OBJ
#pragma GCC poison MP_OBJ_QSTR_VALUE MP_ROM_QSTR

#endif
