// SPDX-License-Identifier: MIT
// What a machine gives to the rest of the port: a serial port, a clock, sleep and reset. No interrupt is ever taken.
#ifndef QEMU_MACHINE_H
#define QEMU_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define MACHINE_POLL_HZ (1000)

void machine_init(void);
int machine_rx(void);            // a byte that has arrived; -1: none
bool machine_tx_ready(void);     // whether machine_tx() may be called
void machine_tx(uint8_t byte);
uint64_t machine_us(void);       // since power-on
uint64_t machine_instructions(void); // executed since power-on; under -icount only, see build.sh
void machine_nap(uint32_t us);   // let the processor rest so long
_Noreturn void machine_restart(void);
_Noreturn void machine_fault(const char *what, uint32_t where); // start_*.c: say so and reset

#endif
