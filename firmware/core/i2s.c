// SPDX-License-Identifier: MIT
// The same numbers as firmware/app/port/machine/pack32.py, which boards with MicroPython compile themselves.
#include "i2s.h"

enum {
    SLOT_BITS = 8,      // below the 24 that count
    CONSTANT_BITS = 6,  // fraction of tw_i2s_t.constant
    CONSTANT_SHIFT = 9, // high pass at 16 kHz / (2 pi 2^9) = 5 Hz
};

void tw_i2s_pack(tw_i2s_t *p, const int32_t *slots, size_t step, size_t n, int16_t *out) {
    const int32_t shift = p->shift - SLOT_BITS;
    int32_t constant = p->constant;
    for (; n; --n, slots += step) {
        const int32_t slot = p->late ? (int32_t)((uint32_t)*slots << 1) : *slots;
        int32_t value = slot >> SLOT_BITS;
        constant += (value * (1 << CONSTANT_BITS) - constant) >> CONSTANT_SHIFT;
        value = (value - (constant >> CONSTANT_BITS)) >> shift;
        *out++ = (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
    }
    p->constant = constant;
}
