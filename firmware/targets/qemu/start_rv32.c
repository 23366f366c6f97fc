// SPDX-License-Identifier: MIT
// Start and traps of an RV32 machine. QEMU has put .data where it belongs.
#include "machine.h"

extern uint32_t bss_begin, bss_end;
int main(void);

__attribute__((used, noreturn)) static void start(void) {
    for (uint32_t *to = &bss_begin; to < &bss_end;) {
        *to++ = 0;
    }
    machine_init();
    main();
    machine_restart();
}

__attribute__((used, noreturn, aligned(4))) static void trap(void) {
    uint32_t cause, where;
    __asm volatile ("csrr %0, mcause" : "=r" (cause));
    __asm volatile ("csrr %0, mepc" : "=r" (where));
    machine_fault(cause == 2 ? "illegal instruction" : "trap", where);
}

__attribute__((naked, used, section(".start"))) void _start(void) {
    __asm volatile (
        ".option push\n"
        ".option norelax\n"
        "la gp, __global_pointer$\n"
        ".option pop\n"
        "la sp, stack_end\n"
        "csrci mstatus, 8\n"
        "csrw mie, zero\n"
        "la t0, %0\n"
        "csrw mtvec, t0\n"
        "j %1\n"
        : : "i" (trap), "i" (start));
}
