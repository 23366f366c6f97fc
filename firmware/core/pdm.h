// SPDX-License-Identifier: MIT
// A PDM microphone's bits to int16 samples: 2.048 MHz to 16 kHz, in integers. CIC filter of order 4 (by 64, to 32 kHz),
// removal of the constant part, gain, and a 40-tap FIR filter (by 2) that also levels the CIC filter's droop.
#ifndef TW_PDM_H
#define TW_PDM_H

#include <stddef.h>
#include <stdint.h>

#define TW_PDM_BYTES 16 // of bits, a sample: 128 bits
#define TW_PDM_TAPS 40

// All zero: a microphone that has just been switched on.
typedef struct {
    uint32_t sum[4];    // integrators, modulo 2^32, as pdm.c has them
    uint32_t last[4];   // what the combs subtract
    int32_t constant;   // the constant part, in 1/64 of a CIC filter's step
    uint8_t byte;       // 0..15, of the sample
    uint8_t settling;   // outputs of the CIC filter that still saw time before the first bit, 0..4
    union {
        int16_t value[TW_PDM_TAPS];
        uint32_t pair[TW_PDM_TAPS / 2]; // moved as words
    } history; // at 32 kHz, the newest last
} tw_pdm_t;

// Samples that tw_pdm_push makes of n more bytes.
static inline size_t tw_pdm_samples(const tw_pdm_t *p, size_t n) {
    return (p->byte + n) / TW_PDM_BYTES;
}

// Takes n bytes, the first bit in the lowest place, and writes tw_pdm_samples(p, n) samples. shift in 8..16: a
// microphone's full scale is 2^31 >> shift, as with the 32-bit slots of I2S; what goes beyond int16 saturates.
void tw_pdm_push(tw_pdm_t *p, const uint8_t *bits, size_t n, uint32_t shift, int16_t *out);

#endif
