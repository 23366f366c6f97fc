// SPDX-License-Identifier: MIT
// QEMU's RISC-V machine: a 16550 UART, the machine timer at 10 MHz, and the processor's own count of instructions.
#include "machine.h"

#define HZ (10000000u)

static volatile uint8_t *const uart = (void *)0x10000000;
enum { DATA = 0, FIFO = 2, STATUS = 5, RX_FULL = 0x01, TX_EMPTY = 0x20 };

static volatile uint32_t *const time_low = (void *)0x0200bff8;
static volatile uint32_t *const time_high = (void *)0x0200bffc;
static volatile uint32_t *const alarm_low = (void *)0x02004000;
static volatile uint32_t *const alarm_high = (void *)0x02004004;
static volatile uint32_t *const finisher = (void *)0x00100000;
enum { MIE_TIMER = 1 << 7 };

void machine_init(void) {
    uart[FIFO] = 1;
    __asm volatile ("csrs mie, %0" : : "r" (MIE_TIMER)); // it wakes the processor; mstatus.MIE stays off
}

int machine_rx(void) {
    return uart[STATUS] & RX_FULL ? uart[DATA] : -1;
}

bool machine_tx_ready(void) {
    return uart[STATUS] & TX_EMPTY;
}

void machine_tx(uint8_t byte) {
    uart[DATA] = byte;
}

static uint64_t ticks(void) {
    uint32_t high, low;
    do {
        high = *time_high;
        low = *time_low;
    } while (high != *time_high);
    return (uint64_t)high << 32 | low;
}

uint64_t machine_us(void) {
    return ticks() / (HZ / 1000000);
}

uint64_t machine_instructions(void) {
    uint32_t high, low, again;
    do {
        __asm volatile ("csrr %0, minstreth" : "=r" (high));
        __asm volatile ("csrr %0, minstret" : "=r" (low));
        __asm volatile ("csrr %0, minstreth" : "=r" (again));
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

void machine_nap(uint32_t us) {
    uint64_t until = ticks() + (uint64_t)us * (HZ / 1000000);
    *alarm_high = 0xffffffff;
    *alarm_low = (uint32_t)until;
    *alarm_high = (uint32_t)(until >> 32);
    __asm volatile ("wfi");
    *alarm_high = 0xffffffff;
}

_Noreturn void machine_restart(void) {
    *finisher = 0x7777;
    for (;;) {
    }
}
