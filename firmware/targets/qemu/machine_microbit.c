// SPDX-License-Identifier: MIT
// BBC micro:bit, its nRF51822: UART, and timers 0 and 1 at 16 MHz.
#include "arm_timers.h"
#include "machine.h"

#define HZ (16000000u)
#define REG(address) (*(volatile uint32_t *)(address))

enum {
    UART = 0x40002000,
    UART_START_RX = UART + 0x000,
    UART_START_TX = UART + 0x008,
    UART_RX_READY = UART + 0x108,
    UART_TX_READY = UART + 0x11c,
    UART_ENABLE = UART + 0x500,
    UART_RX = UART + 0x518,
    UART_TX = UART + 0x51c,
    TIMER = 0x40008000,
    SLOW_TIMER = 0x40009000,
    TIMER_START = 0x000,
    TIMER_CAPTURE = 0x040,
    TIMER_BITS = 0x508,
    TIMER_PRESCALER = 0x510,
    TIMER_CC = 0x540,
};

static arm_stretch_t stretch;
static bool sending;

static void start_timer(uint32_t timer, uint32_t prescaler) {
    REG(timer + TIMER_BITS) = 3; // 32
    REG(timer + TIMER_PRESCALER) = prescaler;
    REG(timer + TIMER_START) = 1;
}

static uint32_t count(uint32_t timer) {
    REG(timer + TIMER_CAPTURE) = 1;
    return REG(timer + TIMER_CC);
}

void machine_init(void) {
    REG(UART_ENABLE) = 4;
    REG(UART_START_RX) = 1;
    REG(UART_START_TX) = 1;
    start_timer(TIMER, 0);
    start_timer(SLOW_TIMER, 8); // 2^8
}

int machine_rx(void) {
    if (!REG(UART_RX_READY)) {
        return -1;
    }
    REG(UART_RX_READY) = 0;
    return REG(UART_RX) & 0xff;
}

bool machine_tx_ready(void) {
    if (sending && REG(UART_TX_READY)) {
        REG(UART_TX_READY) = 0;
        sending = false;
    }
    return !sending;
}

void machine_tx(uint8_t byte) {
    sending = true;
    REG(UART_TX) = byte;
}

static uint64_t ticks(void) {
    uint32_t coarse = count(SLOW_TIMER);
    return arm_timers_join(count(TIMER), coarse);
}

uint64_t machine_us(void) {
    return ticks() / (HZ / 1000000);
}

uint64_t machine_instructions(void) {
    return arm_stretch_count(&stretch, ticks(), HZ);
}

void machine_nap(uint32_t us) {
    uint64_t until_now = machine_instructions();
    arm_nap(us * 64); // SysTick runs at 64 MHz here
    arm_stretch_begin(&stretch, until_now, ticks());
}

_Noreturn void machine_restart(void) {
    arm_reset();
}
