// SPDX-License-Identifier: MIT
// QEMU's board kc705-nommu with the core DE212, which has register windows as the ESP32 has: a 16550 UART, the board's own
// reset, and the processor's counter at 40 MHz. (The console of the machine "sim" doubles or drops what arrives fast.)
#include "machine.h"

#define HZ (40000000u)
#define NS_A_TICK (1000000000 / HZ)
#define LOG2_NS (10) // of an instruction, under -icount shift=10
#define NS_AN_INSTRUCTION (1 << LOG2_NS)

static volatile uint32_t *const uart = (void *)0x9d050020;
enum { DATA = 0, FIFO = 2, STATUS = 5, RX_FULL = 0x01, TX_EMPTY = 0x20, FIFO_OF_14 = 0xc1 };

static volatile uint32_t *const reset = (void *)0x9d020010;
enum { RESET_NOW = 0xdead };

enum { ALARM = 1 << 6 }; // the interrupt of compare register 0

typedef struct {
    uint32_t low, high;
} ticks_t;

static ticks_t ticks; // at the last look

// Between two naps (see machine_instructions).
static struct {
    uint32_t before; // instructions until it began, modulo 2^32
    ticks_t begun;
} stretch;

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

// 1 where a < b. Xtensa has no carry: the compiler's own comparisons, and so its 64-bit sums, branch, and cost what their
// numbers happen to be. Whatever counts instructions here costs the same each time.
static uint32_t borrow(uint32_t a, uint32_t b) {
    return ((~a & b) | (~(a ^ b) & (a - b))) >> 31;
}

// The counter has 32 bits, 107 seconds: everything that waits or runs Python looks more often.
static void look(void) {
    uint32_t count = counter();
    ticks.high += borrow(count, ticks.low);
    ticks.low = count;
}

uint64_t machine_us(void) {
    look();
    return ((uint64_t)ticks.high << 32 | ticks.low) / (HZ / 1000000);
}

// 40.96 ticks each, of which the counter shows whole ones: the difference of two readings, rounded, is exact, as long as the
// processor was awake between them. What it slept is no multiple of an instruction, so each waking begins a new stretch.
// Modulo 2^32.
uint64_t machine_instructions(void) {
    look();
    uint32_t low = ticks.low - stretch.begun.low;
    uint32_t high = ticks.high - stretch.begun.high - borrow(ticks.low, stretch.begun.low);
    // (high, low) * 25 / 1024 in digits of 16 bits, which leave room for what is carried.
    uint32_t first = (low & 0xffff) * NS_A_TICK + NS_AN_INSTRUCTION / 2;
    uint32_t second = (low >> 16) * NS_A_TICK + (first >> 16);
    uint32_t third = high * NS_A_TICK + (second >> 16);
    uint32_t lower = second << 16 | (first & 0xffff);
    return stretch.before + (third << (32 - LOG2_NS) | lower >> LOG2_NS);
}

// The vector turns the alarm's interrupt off again. The counter goes on while QEMU itself waits for its turn: an alarm that is
// set too late would come a whole round of the counter later.
void machine_nap(uint32_t us) {
    stretch.before = (uint32_t)machine_instructions();
    uint32_t until = counter() + us * (HZ / 1000000);
    __asm volatile ("wsr.ccompare0 %0" : : "a" (until));
    if ((int32_t)(until - counter()) > 0) {
        uint32_t scratch = ALARM;
        __asm volatile ("wsr.intenable %0\n waiti 0\n rsil %0, 15" : "+a" (scratch) : : "memory");
    }
    look();
    stretch.begun = ticks;
}

_Noreturn void machine_restart(void) {
    *reset = RESET_NOW;
    for (;;) {
    }
}
