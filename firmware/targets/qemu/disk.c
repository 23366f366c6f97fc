// SPDX-License-Identifier: MIT
// A block device in RAM outside the heap, which stands for a board's flash: it outlives resets, and ends with the machine.
#include <string.h>
#include "py/mperrno.h"
#include "py/runtime.h"
#include "extmod/vfs.h"
#include "disk.h"

#define BLOCK (4096) // as the flash of most boards
#define BLOCKS (352) // 1408 kB, the file system of a Raspberry Pi Pico

__attribute__((section(".kept"), aligned(8))) static uint8_t disk[BLOCKS * BLOCK];

const mp_obj_base_t disk_obj = { &disk_type };

// Where (block, offset) begins, if the buffer's bytes from there lie within the disk.
static uint8_t *find(size_t n_args, const mp_obj_t *args, size_t size) {
    size_t offset = n_args > 3 ? mp_obj_get_int(args[3]) : 0;
    size_t block = mp_obj_get_int(args[1]);
    if (block >= BLOCKS || offset > BLOCK || size > sizeof(disk) - block * BLOCK - offset) {
        mp_raise_OSError(MP_EINVAL);
    }
    return disk + block * BLOCK + offset;
}

static mp_obj_t disk_readblocks(size_t n_args, const mp_obj_t *args) {
    mp_buffer_info_t into;
    mp_get_buffer_raise(args[2], &into, MP_BUFFER_WRITE);
    memcpy(into.buf, find(n_args, args, into.len), into.len);
    return MP_OBJ_NEW_SMALL_INT(0);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(disk_readblocks_obj, 3, 4, disk_readblocks);

static mp_obj_t disk_writeblocks(size_t n_args, const mp_obj_t *args) {
    mp_buffer_info_t from;
    mp_get_buffer_raise(args[2], &from, MP_BUFFER_READ);
    memcpy(find(n_args, args, from.len), from.buf, from.len);
    return MP_OBJ_NEW_SMALL_INT(0);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(disk_writeblocks_obj, 3, 4, disk_writeblocks);

static mp_obj_t disk_ioctl(mp_obj_t self, mp_obj_t request, mp_obj_t argument) {
    (void)self;
    (void)argument;
    switch (mp_obj_get_int(request)) {
        case MP_BLOCKDEV_IOCTL_BLOCK_COUNT:
            return MP_OBJ_NEW_SMALL_INT(BLOCKS);
        case MP_BLOCKDEV_IOCTL_BLOCK_SIZE:
            return MP_OBJ_NEW_SMALL_INT(BLOCK);
        case MP_BLOCKDEV_IOCTL_INIT:
        case MP_BLOCKDEV_IOCTL_DEINIT:
        case MP_BLOCKDEV_IOCTL_SYNC:
        case MP_BLOCKDEV_IOCTL_BLOCK_ERASE:
            return MP_OBJ_NEW_SMALL_INT(0);
        default:
            return mp_const_none;
    }
}
static MP_DEFINE_CONST_FUN_OBJ_3(disk_ioctl_obj, disk_ioctl);

static const mp_rom_map_elem_t disk_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_readblocks), MP_ROM_PTR(&disk_readblocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_writeblocks), MP_ROM_PTR(&disk_writeblocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&disk_ioctl_obj) },
};
static MP_DEFINE_CONST_DICT(disk_locals, disk_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(disk_type, MP_QSTR_Disk, MP_TYPE_FLAG_NONE, locals_dict, &disk_locals);
