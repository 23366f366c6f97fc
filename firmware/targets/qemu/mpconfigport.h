// SPDX-License-Identifier: MIT
// MicroPython as small boards have it: the features, float and objects of the stock ports to 32-bit microcontrollers.
#include <alloca.h>
#include <stdint.h>

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_FLOAT)
#define MICROPY_LONGINT_IMPL (MICROPY_LONGINT_IMPL_MPZ)

// Code: Python, and native modules for the machine's own architecture and no other.
#if defined(__riscv)
#define MICROPY_EMIT_RV32 (1)
#define MICROPY_EMIT_INLINE_RV32 (1)
#else
#define MICROPY_EMIT_THUMB (1)
#if !defined(__thumb2__)
#define MICROPY_EMIT_THUMB_ARMV7M (0)
#endif
#define MICROPY_EMIT_INLINE_THUMB (1)
#define MICROPY_MAKE_POINTER_CALLABLE(p) ((void *)((mp_uint_t)(p) | 1))
#endif
#define MICROPY_PERSISTENT_CODE_LOAD (1)
#define MICROPY_MALLOC_USES_ALLOCATED_SIZE (1)
#define MICROPY_MEM_STATS (1)
#define MICROPY_ENABLE_GC (1)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1)
#define MICROPY_WARNINGS (1)
#define MP_NEED_LOG2 (1)
#define MICROPY_REPL_STDIN_BUFFER_MAX (1024) // raw paste waits for its host four times less often than on boards
#define MICROPY_SCHEDULER_DEPTH (8)

// Files
#define MICROPY_READER_VFS (1)
#define MICROPY_VFS (1)
#define MICROPY_VFS_ROM (1)
#define MICROPY_VFS_ROM_IOCTL (0)

// Modules
#define MICROPY_PY_SYS_PLATFORM "qemu"
#define MICROPY_HW_BOARD_NAME "QEMU"
#define MICROPY_PY_MACHINE (1)
#define MICROPY_PY_MACHINE_INCLUDEFILE "machine_module.c"
#define MICROPY_PY_MACHINE_RESET (1)

// All that happens beside the program is polled: after a jump backwards now and then, and wherever it waits.
void hal_poll_now_and_then(void);
void hal_poll(void);
void hal_nap(int ms);
#define MICROPY_VM_HOOK_LOOP hal_poll_now_and_then();
#define MICROPY_INTERNAL_EVENT_HOOK hal_poll()
#define MICROPY_INTERNAL_WFE(timeout_ms) hal_nap(timeout_ms)

typedef int32_t mp_int_t;
typedef uint32_t mp_uint_t;
typedef long mp_off_t;
#define MP_SSIZE_MAX (0x7fffffff)
#define MP_STATE_PORT MP_STATE_VM
