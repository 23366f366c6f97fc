// SPDX-License-Identifier: MIT
#ifndef UNIXBOARD_HARDWARE_H
#define UNIXBOARD_HARDWARE_H

#include <stdint.h>
#include "py/obj.h"

void hardware_take_port(void); // stdin is the serial port: put it behind the thread
void hardware_start(void);     // does nothing where the thread runs
void hardware_stop(void);      // returns when the bytes in its hands have gone
void hardware_tick(int64_t period_ms, mp_obj_t callback); // 0: the timer is off

#endif
