// SPDX-License-Identifier: MIT
// QEMU's board kc705-nommu with the core DE212, which has register windows as the ESP32 has: a 16550 UART, the board's own
// reset, and the processor's counter at 40 MHz. (The console of the machine "sim" doubles or drops what arrives fast.)
#include "machine.h"

#define HZ (40000000u)
#define NS_AN_INSTRUCTION (1024) // under -icount shift=10

static volatile uint32_t *const uart = (void *)0x9d050020;
enum { DATA = 0, FIFO = 2, STATUS = 5, RX_FULL = 0x01, TX_EMPTY = 0x20, FIFO_OF_14 = 0xc1 };

static volatile uint32_t *const reset = (void *)0x9d020010;
enum { RESET_NOW = 0xdead };

enum { ALARM = 1 << 6 }; // the interrupt of compare register 0

static struct {
    uint32_t low, high;
} ticks;

extern uint32_t bss_begin, bss_end;
int main(void);
void start(void);
void fault_found(uint32_t cause, uint32_t where);

// From vectors.S. QEMU has put .data where it belongs.
void start(void) {
    for (uint32_t *to = &bss_begin; to < &bss_end;) {
        *to++ = 0;
    }
    machine_init();
    main();
    machine_restart();
}

void fault_found(uint32_t cause, uint32_t where) {
    machine_fault(cause == 0 ? "illegal instruction" : "fault", where);
}

void machine_init(void) {
    uart[FIFO] = FIFO_OF_14;
}

int machine_rx(void) {
    return uart[STATUS] & RX_FULL ? (int)(uart[DATA] & 0xff) : -1;
}

bool machine_tx_ready(void) {
    return uart[STATUS] & TX_EMPTY;
}

void machine_tx(uint8_t byte) {
    uart[DATA] = byte;
}

static uint32_t counter(void) {
    uint32_t count;
    __asm volatile ("rsr.ccount %0" : "=a" (count));
    return count;
}

// The counter has 32 bits, 107 seconds: everything that waits or runs Python looks more often.
static uint64_t now(void) {
    uint32_t count = counter();
    ticks.high += count < ticks.low;
    ticks.low = count;
    return (uint64_t)ticks.high << 32 | count;
}

uint64_t machine_us(void) {
    return now() / (HZ / 1000000);
}

// 40.96 ticks each, of which the counter shows whole ones.
uint64_t machine_instructions(void) {
    return (now() * (1000000000 / HZ) + NS_AN_INSTRUCTION / 2) / NS_AN_INSTRUCTION;
}

// The vector turns the alarm's interrupt off again. The counter goes on while QEMU itself waits for its turn: an alarm that is
// set too late would come a whole round of the counter later.
void machine_nap(uint32_t us) {
    uint32_t until = counter() + us * (HZ / 1000000);
    __asm volatile ("wsr.ccompare0 %0" : : "a" (until));
    if ((int32_t)(until - counter()) > 0) {
        uint32_t scratch = ALARM;
        __asm volatile ("wsr.intenable %0\n waiti 0\n rsil %0, 15" : "+a" (scratch) : : "memory");
    }
}

_Noreturn void machine_restart(void) {
    *reset = RESET_NOW;
    for (;;) {
    }
}
