// SPDX-License-Identifier: MIT
#ifndef QEMU_DISK_H
#define QEMU_DISK_H

#include "py/obj.h"

extern const mp_obj_type_t disk_type;
extern const mp_obj_base_t disk_obj;

#endif
