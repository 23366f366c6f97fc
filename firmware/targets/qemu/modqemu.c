// SPDX-License-Identifier: MIT
// Module qemu: the disk, and the exact number of instructions.
#include "py/runtime.h"
#include "disk.h"
#include "machine.h"

#define COUNT_MASK (0x3fffffff) // what fits into a small integer

// instructions(): how many the processor has executed, modulo 2^30, where QEMU runs with -icount (the target's
// `counting`); without it the number means nothing. (later - earlier) & 0x3fffffff is exact, if no sleep lies between.
static mp_obj_t qemu_instructions(void) {
    return MP_OBJ_NEW_SMALL_INT(machine_instructions() & COUNT_MASK);
}
static MP_DEFINE_CONST_FUN_OBJ_0(qemu_instructions_obj, qemu_instructions);

static const mp_rom_map_elem_t qemu_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_qemu) },
    { MP_ROM_QSTR(MP_QSTR_disk), MP_ROM_PTR(&disk_obj) },
    { MP_ROM_QSTR(MP_QSTR_instructions), MP_ROM_PTR(&qemu_instructions_obj) },
};
static MP_DEFINE_CONST_DICT(qemu_globals, qemu_globals_table);

const mp_obj_module_t qemu_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&qemu_globals,
};
MP_REGISTER_MODULE(MP_QSTR_qemu, qemu_module);
