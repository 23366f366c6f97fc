// SPDX-License-Identifier: MIT
// An I2S microphone's 32-bit slots to int16 samples: removal of the constant part, gain, saturation.
#ifndef TW_I2S_H
#define TW_I2S_H

#include <stddef.h>
#include <stdint.h>

// All zero but for shift: a microphone that has just been switched on.
typedef struct {
    int32_t constant; // the constant part, in 1/64 of a 24-bit step
    int32_t shift;    // 8..17: a microphone's full scale is 2^31 >> shift
    int32_t late;     // 1: the data comes a bit late
} tw_i2s_t;

// out[i] = (slots[i * step] less the constant part) >> shift; what goes beyond int16 saturates.
void tw_i2s_pack(tw_i2s_t *p, const int32_t *slots, size_t step, size_t n, int16_t *out);

#endif
