// SPDX-License-Identifier: MIT
// Time, the serial port and Ctrl-C, all by polling: no interrupt disturbs a count of instructions.
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "machine.h"
#include "timer.h"

#define RING (1024)     // bytes typed ahead
#define AWAKE_US (2000) // how long after a byte the next is waited for without rest
#define NAP_US (2000)   // how long a byte may lie unseen
#define LOOPS (64)      // jumps backwards between two polls

static struct {
    uint8_t bytes[RING];
    uint32_t put, get; // how many ever
    uint64_t last_us;  // when one came
} in;

void hal_poll(void) {
    int byte;
    bool came = false;
    while (in.put - in.get < RING && (byte = machine_rx()) >= 0) {
        came = true;
        if (byte == mp_interrupt_char) {
            mp_sched_keyboard_interrupt();
        } else {
            in.bytes[in.put++ % RING] = (uint8_t)byte;
        }
    }
    if (came) {
        in.last_us = machine_us();
    }
    timer_poll();
}

void hal_poll_now_and_then(void) {
    static uint32_t loops;
    if (++loops % LOOPS == 0) {
        hal_poll();
    }
}

// Rest until the next timer, `ms` at most (-1: no limit), unless somebody is typing.
void hal_nap(int ms) {
    uint64_t now = machine_us();
    uint64_t rest = timer_next(now, NAP_US);
    if (ms >= 0 && rest > (uint64_t)ms * 1000) {
        rest = (uint64_t)ms * 1000;
    }
    if (rest > 0 && now - in.last_us > AWAKE_US) {
        machine_nap((uint32_t)rest);
    }
}

uintptr_t mp_hal_stdio_poll(uintptr_t flags) {
    uintptr_t ready = 0;
    hal_poll();
    if ((flags & MP_STREAM_POLL_RD) && in.put != in.get) {
        ready |= MP_STREAM_POLL_RD;
    }
    if ((flags & MP_STREAM_POLL_WR) && machine_tx_ready()) {
        ready |= MP_STREAM_POLL_WR;
    }
    return ready;
}

int mp_hal_stdin_rx_chr(void) {
    for (;;) {
        hal_poll();
        if (in.put != in.get) {
            return in.bytes[in.get++ % RING];
        }
        mp_handle_pending(true);
        hal_nap(-1);
    }
}

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        while (!machine_tx_ready()) {
            hal_poll();
        }
        machine_tx((uint8_t)text[i]);
    }
    return size;
}

mp_uint_t mp_hal_ticks_ms(void) {
    return (mp_uint_t)(machine_us() / 1000);
}

mp_uint_t mp_hal_ticks_us(void) {
    return (mp_uint_t)machine_us();
}

mp_uint_t mp_hal_ticks_cpu(void) {
    return (mp_uint_t)machine_us();
}

uint64_t mp_hal_time_ns(void) {
    return machine_us() * 1000;
}

void mp_hal_delay_us(mp_uint_t us) {
    uint64_t end = machine_us() + us;
    while (machine_us() < end) {
    }
}

void mp_hal_delay_ms(mp_uint_t ms) {
    uint64_t end = machine_us() + (uint64_t)ms * 1000;
    for (;;) {
        mp_handle_pending(true);
        hal_poll();
        uint64_t now = machine_us();
        if (now >= end) {
            return;
        }
        uint64_t left = end - now;
        left = left < NAP_US ? left : timer_next(now, NAP_US);
        if (left > 0) {
            machine_nap((uint32_t)left);
        }
    }
}
