// SPDX-License-Identifier: MIT
// Two 32-bit counters of one clock, the second 256 times slower, make one that does not run over within any run.
#ifndef QEMU_ARM_TIMERS_H
#define QEMU_ARM_TIMERS_H

#include <stdint.h>

#define ICOUNT_NS (1024) // -icount shift=10: the time that an instruction takes

// coarse says which turn of fine it is: the one that brings the two nearest to each other.
static inline uint64_t arm_timers_join(uint32_t fine, uint32_t coarse) {
    int64_t apart = ((int64_t)coarse << 8) - fine;
    return ((uint64_t)((apart + (1LL << 31)) >> 32) << 32) + fine;
}

// Instructions from ticks. A tick is shorter than an instruction, so the difference of two readings, rounded, is exact,
// as long as the processor was awake between them: what it slept is no multiple of an instruction. So each waking begins
// a new stretch, and only whole stretches are added up.
typedef struct {
    uint64_t before; // instructions until the stretch began
    uint64_t begun;  // ticks then
} arm_stretch_t;

static inline uint64_t arm_stretch_count(const arm_stretch_t *s, uint64_t ticks, uint32_t hz) {
    // ns = ticks * 1e9 / hz without losing any: hz divides 1e9 in halves of a nanosecond.
    uint32_t half_ns = 2000000000u / hz;
    return s->before + ((ticks - s->begun) * half_ns + ICOUNT_NS) / (2 * ICOUNT_NS);
}

static inline void arm_stretch_begin(arm_stretch_t *s, uint64_t instructions, uint64_t ticks) {
    s->before = instructions;
    s->begun = ticks;
}

// SysTick wakes the processor from WFI: pending is enough, it need not be taken (start_arm.c masks it).
static inline void arm_nap(uint32_t cycles) {
    volatile uint32_t *systick = (volatile uint32_t *)0xE000E010;
    systick[1] = cycles > 0xffffff ? 0xffffff : cycles;
    systick[2] = 0;
    systick[0] = 7; // processor clock, interrupt, on
    __asm volatile ("wfi");
    systick[0] = 0;
    *(volatile uint32_t *)0xE000ED04 = 1u << 25; // ICSR.PENDSTCLR
}

static inline _Noreturn void arm_reset(void) {
    *(volatile uint32_t *)0xE000ED0C = 0x05FA0004; // AIRCR.SYSRESETREQ
    for (;;) {
    }
}

#endif
