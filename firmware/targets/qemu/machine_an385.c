// SPDX-License-Identifier: MIT
// MPS2 with image AN385 or AN386: CMSDK UART 0, timer 0 and dual timer at 25 MHz.
#include "arm_timers.h"
#include "machine.h"

#define HZ (25000000u)

static struct {
    uint32_t data, state, ctrl, interrupt, divider;
} volatile *const uart = (void *)0x40004000;
enum { TX_FULL = 1, RX_FULL = 2, TX_ON = 1, RX_ON = 2 };

static struct {
    uint32_t ctrl, value, reload;
} volatile *const timer = (void *)0x40000000;

static struct {
    uint32_t load, value, ctrl;
} volatile *const slow_timer = (void *)0x40002000;
enum { SLOW_ON = 0x80, SLOW_BY_256 = 0x08, SLOW_32_BITS = 0x02 };

static arm_stretch_t stretch;

void machine_init(void) {
    uart->divider = 16;
    uart->ctrl = TX_ON | RX_ON;
    timer->reload = timer->value = 0xffffffff;
    timer->ctrl = 1;
    slow_timer->load = 0xffffffff;
    slow_timer->ctrl = SLOW_ON | SLOW_BY_256 | SLOW_32_BITS;
}

int machine_rx(void) {
    return uart->state & RX_FULL ? (int)(uart->data & 0xff) : -1;
}

bool machine_tx_ready(void) {
    return !(uart->state & TX_FULL);
}

void machine_tx(uint8_t byte) {
    uart->data = byte;
}

static uint64_t ticks(void) {
    uint32_t coarse = 0xffffffff - slow_timer->value;
    return arm_timers_join(0xffffffff - timer->value, coarse);
}

uint64_t machine_us(void) {
    return ticks() / (HZ / 1000000);
}

uint64_t machine_instructions(void) {
    return arm_stretch_count(&stretch, ticks(), HZ);
}

void machine_nap(uint32_t us) {
    uint64_t until_now = machine_instructions();
    arm_nap(us * (HZ / 1000000));
    arm_stretch_begin(&stretch, until_now, ticks());
}

_Noreturn void machine_restart(void) {
    arm_reset();
}
