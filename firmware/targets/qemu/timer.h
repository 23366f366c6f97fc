// SPDX-License-Identifier: MIT
#ifndef QEMU_TIMER_H
#define QEMU_TIMER_H

#include <stdint.h>
#include "py/obj.h"

extern const mp_obj_type_t machine_timer_type;

void timer_poll(void); // schedule the callbacks that are due
uint64_t timer_next(uint64_t now_us, uint64_t most); // microseconds until one is due, `most` at most
void timer_stop_all(void);

#endif
