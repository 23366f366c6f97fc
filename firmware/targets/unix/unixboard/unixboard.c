// SPDX-License-Identifier: MIT
// What the unix port lacks to be a board: the REPL on a serial port, soft resets, and a timer that interrupts.

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modplatform.h"    // MICROPY_PLATFORM_COMPILER, for the banner
#include "shared/runtime/pyexec.c" // not part of this port, so built in here
#include "hardware.h"

MP_REGISTER_ROOT_POINTER(mp_obj_t unixboard_callback);

static void serve_repl(void) {
    int result = 0;
    while (!(result & PYEXEC_FORCED_EXIT)) {
        nlr_buf_t nlr;
        if (nlr_push(&nlr) == 0) {
            result = pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl();
            nlr_pop();
        } // else a Ctrl-C that came as the command ended
    }
}

// run(*command): boot.py, main.py and the REPL on the serial port, as a board does. A soft reset executes `command`, the
// one that brought the interpreter here, in this process: a fresh heap, the same port.
static mp_obj_t unixboard_run(size_t n_args, const mp_obj_t *args) {
    char **command = m_new0(char *, n_args + 1);
    for (size_t i = 0; i < n_args; i++) {
        command[i] = (char *)mp_obj_str_get_str(args[i]);
    }
    hardware_take_port();
    hardware_start();
    mp_globals_set(&MP_STATE_VM(dict_main));
    mp_locals_set(&MP_STATE_VM(dict_main));

    if (getenv("UNIXBOARD_RAW") != NULL) {
        pyexec_mode_kind = PYEXEC_MODE_RAW_REPL;
    }
    int result = pyexec_file_if_exists("boot.py");
    if (!(result & PYEXEC_FORCED_EXIT) && pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL) {
        result = pyexec_file_if_exists("main.py");
    }
    if (!(result & PYEXEC_FORCED_EXIT)) {
        serve_repl();
    }
    mp_hal_stdout_tx_str("MPY: soft reboot\r\n");

    hardware_stop();
    if (pyexec_mode_kind == PYEXEC_MODE_RAW_REPL) {
        setenv("UNIXBOARD_RAW", "1", 1);
    } else {
        unsetenv("UNIXBOARD_RAW");
    }
    execv(command[0], command);
    mp_raise_OSError(errno);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR(unixboard_run_obj, 1, unixboard_run);

// tick(period_ms, callback): call callback(None) every period, between bytecodes or while the prompt waits; tick(0): no
// more. Ticks that pass while one is pending are not made up for.
static mp_obj_t unixboard_tick(size_t n_args, const mp_obj_t *args) {
    mp_int_t period = mp_obj_get_int(args[0]);
    if (period < 0 || period > INT32_MAX || (period > 0 && (n_args < 2 || !mp_obj_is_callable(args[1])))) {
        mp_raise_ValueError(MP_ERROR_TEXT("tick(period_ms >= 0, callback)"));
    }
    hardware_tick(period, period > 0 ? args[1] : mp_const_none);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(unixboard_tick_obj, 1, 2, unixboard_tick);

static const mp_rom_map_elem_t unixboard_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_unixboard) },
    { MP_ROM_QSTR(MP_QSTR_run), MP_ROM_PTR(&unixboard_run_obj) },
    { MP_ROM_QSTR(MP_QSTR_tick), MP_ROM_PTR(&unixboard_tick_obj) },
};
static MP_DEFINE_CONST_DICT(unixboard_globals, unixboard_globals_table);

const mp_obj_module_t unixboard_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&unixboard_globals,
};
MP_REGISTER_MODULE(MP_QSTR_unixboard, unixboard_module);
