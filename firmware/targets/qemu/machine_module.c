// SPDX-License-Identifier: MIT
// Included by MicroPython's extmod/modmachine.c.
#include "machine.h"
#include "timer.h"

#define MICROPY_PY_MACHINE_EXTRA_GLOBALS { MP_ROM_QSTR(MP_QSTR_Timer), MP_ROM_PTR(&machine_timer_type) },

static void mp_machine_idle(void) {
    hal_nap(1);
}

NORETURN static void mp_machine_reset(void) {
    machine_restart();
}

static mp_int_t mp_machine_reset_cause(void) {
    return 0;
}
