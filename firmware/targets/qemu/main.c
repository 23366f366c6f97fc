// SPDX-License-Identifier: MIT
// A board: file system, boot.py, main.py, the REPL on the serial port, and soft resets.
#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stackctrl.h"
#include "shared/readline/readline.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"
#include "machine.h"
#include "timer.h"

#define STACK_LIMIT (10240) // as MicroPython's own qemu port

static uint32_t heap[MICROPY_HEAP_SIZE / sizeof(uint32_t)];

static void run_session(void) {
    pyexec_frozen_module("_boot.py", false);
    int result = pyexec_file_if_exists("boot.py");
    if (!(result & PYEXEC_FORCED_EXIT) && pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL) {
        result = pyexec_file_if_exists("main.py");
    }
    while (!(result & PYEXEC_FORCED_EXIT)) {
        result = pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl();
    }
}

int main(void) {
    mp_stack_ctrl_init();
    mp_stack_set_limit(STACK_LIMIT);
    for (;;) {
        gc_init(heap, (char *)heap + sizeof(heap));
        mp_init();
        mp_obj_list_append(mp_sys_path, MP_OBJ_NEW_QSTR(MP_QSTR__slash_lib));
        readline_init0();
        run_session();
        mp_hal_stdout_tx_str("MPY: soft reboot\r\n");
        timer_stop_all();
        gc_sweep_all();
        mp_deinit();
    }
}

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}

void nlr_jump_fail(void *value) {
    machine_fault("an exception that nothing catches", (uint32_t)value);
}

_Noreturn void machine_fault(const char *what, uint32_t where) {
    mp_printf(&mp_plat_print, "\nFATAL: %s at %08x; the board resets\n", what, (unsigned)where);
    machine_restart();
}
