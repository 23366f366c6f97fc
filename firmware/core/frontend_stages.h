// SPDX-License-Identifier: MIT
// What the front end's files share: where things lie in the FRONTEND section, the stages in their order, and a
// helper. Like all of the core it relies on >> of a negative number keeping its sign and on narrowing to int16_t
// dropping the upper bits; every compiler we build with does both.
#ifndef TW_FRONTEND_STAGES_H
#define TW_FRONTEND_STAGES_H

#include "fixed.h"
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
// Returns the left shift, 0..15, that fills 16 bits with the largest sample; no sample has more bits.
unsigned tw_window_apply(tw_frontend_t *fe);

// Steps of tw_window_apply, which some processors have their own of. They multiply n samples by the coefficients in the
// table from entry upwards, or by their mirror images' from entry downwards. to may be x. Return all magnitudes of the
// products, or'ed: only the highest bit of the largest matters.
uint32_t tw_window_rise(const int16_t *x, const int16_t *entry, int16_t *to, unsigned n);
uint32_t tw_window_fall(const int16_t *x, const int16_t *entry, int16_t *to, unsigned n);

// work.samples -> work.energies: squared magnitudes, below 2^31, of bins 1..255 of the transform of samples << shift,
// divided by 512; energy 0 is left undefined.
void tw_fft_apply(tw_frontend_t *fe, unsigned shift);

// work.energies -> signal[channels]: the filters' amplitudes with the shift taken out again, below 2^26.
void tw_filterbank_apply(const tw_frontend_t *fe, unsigned shift, uint32_t *signal);

// Steps of tw_filterbank_apply, which some processors have their own of. Adds 1 to 16 bins, of which each gives
// energy * weight to the channel that it lies above and energy * (4096 - weight) to the one that it lies below.
enum { TW_BINS_AT_ONCE = 16 };       // as many as sums of 32 bits hold

typedef struct {
    uint64_t falling, rising;        // below 2^52
} tw_slopes_t;

void tw_filterbank_add(const uint32_t *energy, const uint16_t *weight, const uint32_t *end, tw_slopes_t *sums);

// Nearest integer to the square root of x < 2^60, except that 65535 is never rounded up: the reference computes
// numbers below 2^32 in 16 bits.
uint32_t tw_filterbank_root(uint64_t x);

// Subtracts from signal[channels] the running estimate of what is always there, and updates the estimate.
void tw_noise_reduce(tw_frontend_t *fe, uint32_t *signal);

// Per-channel automatic gain control: signal[channels] relative to its noise estimate, compressed.
void tw_pcan_apply(const tw_frontend_t *fe, uint32_t *signal);

// signal[channels] -> features[channels]: natural logarithm << log_shift.
void tw_log_apply(const tw_frontend_t *fe, const uint32_t *signal, uint16_t *features);

// (a * b) >> shift, lower 32 bits; b < 2^16, shift 0..31. The 48-bit product is hi:lo16, without 64-bit arithmetic.
static inline uint32_t mul_shift(uint32_t a, uint32_t b, unsigned shift) {
    const uint32_t lo = (a & 0xFFFF) * b;
    const uint32_t hi = (a >> 16) * b + (lo >> 16);
    return shift <= 16 ? hi << (16 - shift) | (lo & 0xFFFF) >> shift : hi >> (shift - 16);
}

#endif
