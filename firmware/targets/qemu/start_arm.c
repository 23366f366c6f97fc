// SPDX-License-Identifier: MIT
// Vectors and start of an Armv6-M or Armv7E-M machine.
#include "machine.h"

extern uint32_t stack_end, data_begin, data_end, data_source, bss_begin, bss_end;
int main(void);

__attribute__((used, noreturn)) static void start(void) {
    __asm volatile ("cpsid i");
#if defined(__ARM_FP)
    *(volatile uint32_t *)0xE000ED88 = 0xfu << 20; // CPACR: floats for everybody
    __asm volatile ("dsb\n isb");
#endif
    for (uint32_t *to = &data_begin, *from = &data_source; to < &data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &bss_begin; to < &bss_end;) {
        *to++ = 0;
    }
    machine_init();
    main();
    machine_restart();
}

__attribute__((used, noreturn)) static void report_fault(const uint32_t *frame) {
    machine_fault("HardFault", frame[6]); // the program counter, as the processor stacked it
}

__attribute__((naked)) static void fault(void) {
    __asm volatile ("mrs r0, msp\n bl report_fault");
}

__attribute__((used, section(".vectors"))) const void *const vectors[16] = {
    &stack_end, start, fault, fault,
};
