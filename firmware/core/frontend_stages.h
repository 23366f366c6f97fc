// SPDX-License-Identifier: MIT
// What the front end's files share: where things lie in the FRONTEND section, the stages in their order, and two
// helpers. Like all of the core it relies on >> of a negative number keeping its sign and on narrowing to int16_t
// dropping the upper bits; every compiler we build with does both.
#ifndef TW_FRONTEND_STAGES_H
#define TW_FRONTEND_STAGES_H

#include "frontend.h"

// Byte offsets in the section, as numbered in models/SPEC.md.
enum {
    SECTION_KIND = 0,
    SECTION_FLAGS = 1,
    SECTION_SAMPLE_RATE = 2,
    SECTION_WINDOW = 4,
    SECTION_HOP = 6,
    SECTION_FFT = 8,
    SECTION_CHANNELS = 10,
    SECTION_FIRST_BIN = 11,
    SECTION_BINS = 12,
    SECTION_SMOOTHING_BITS = 13,
    SECTION_PCAN_SHIFT = 14,
    SECTION_LOG_SHIFT = 15,
    SECTION_EVEN_SMOOTHING = 16,
    SECTION_ODD_SMOOTHING = 18,
    SECTION_MIN_SIGNAL = 20,
    SECTION_RESERVED = 22,
    SECTION_TABLES = 24,
};

enum {
    KIND_MICRO_FRONTEND = 1,
    FLAG_PCAN = 1,
    SINE_ENTRIES = TW_FRONTEND_FFT / 4 + 1,
    LOG2_ENTRIES = 129,
    GAIN_ENTRIES = 95,
    WEIGHT_BITS = 12,                // a filter weight of 1.0 is 4096
    SMOOTHING_ONE_BITS = 14,         // a smoothing of 1.0 is 16384
};

// Multiplies the frame by the window, in work.samples, pads it to the FFT's length with zeros and keeps the overlap.
// Returns the left shift, 0..15, that fills 16 bits with the largest sample.
unsigned tw_window_apply(tw_frontend_t *fe);

// work.samples -> work.bins 1..255 of the transform of samples << shift, divided by 512; bin 0 is left undefined.
void tw_fft_apply(tw_frontend_t *fe, unsigned shift);

// work.bins -> signal[channels]: the filters' amplitudes with the shift taken out again, below 2^26.
void tw_filterbank_apply(const tw_frontend_t *fe, unsigned shift, uint32_t *signal);

// Subtracts from signal[channels] the running estimate of what is always there, and updates the estimate.
void tw_noise_reduce(tw_frontend_t *fe, uint32_t *signal);

// Per-channel automatic gain control: signal[channels] relative to its noise estimate, compressed.
void tw_pcan_apply(const tw_frontend_t *fe, uint32_t *signal);

// signal[channels] -> features[channels]: natural logarithm << log_shift.
void tw_log_apply(const tw_frontend_t *fe, const uint32_t *signal, uint16_t *features);

// Bits needed to write x: 0 for 0, 32 for 2^31. Cortex-M0+ has no instruction for it and libgcc's is not allowed here.
static inline unsigned bit_length(uint32_t x) {
    unsigned n = 0;
    if (x >> 16) {
        n = 16;
        x >>= 16;
    }
    if (x >> 8) {
        n += 8;
        x >>= 8;
    }
    if (x >> 4) {
        n += 4;
        x >>= 4;
    }
    if (x >> 2) {
        n += 2;
        x >>= 2;
    }
    return n + (x >> 1) + (x > 0);
}

// (a * b) >> shift, lower 32 bits; b < 2^16, shift 0..31. The 48-bit product is hi:lo16, without 64-bit arithmetic.
static inline uint32_t mul_shift(uint32_t a, uint32_t b, unsigned shift) {
    const uint32_t lo = (a & 0xFFFF) * b;
    const uint32_t hi = (a >> 16) * b + (lo >> 16);
    return shift <= 16 ? hi << (16 - shift) | (lo & 0xFFFF) >> shift : hi >> (shift - 16);
}

#endif
