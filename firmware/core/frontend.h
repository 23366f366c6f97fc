// SPDX-License-Identifier: MIT
// Audio front end: 16-bit samples in, one frame of uint16 features every hop. Bit-exact with the micro-frontend of
// TensorFlow Lite Micro (512-point FFT). Its parameters and tables are one section of the model file (models/SPEC.md).
#ifndef TW_FRONTEND_H
#define TW_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TW_FRONTEND_FFT = 512,           // points, real
    TW_FRONTEND_CHANNELS_MAX = 40,   // features in a frame
    TW_FRONTEND_OVERLAP_MAX = 352,   // samples, window - hop
};

// The word is there to load both parts at once; re is its lower half.
typedef union {
    struct {
        int16_t re, im;
    } part;
    uint32_t word;
} tw_complex_t;

typedef struct {
    // For the caller to read.
    uint16_t sample_rate;            // Hz
    uint16_t window;                 // samples, even, 258..512
    uint16_t hop;                    // samples, 1..window
    uint16_t channels;               // features in a frame, 1..40

    // The rest is private to the stages: parameters,
    uint16_t smoothing[2];           // of even and odd channels, 1/16384
    uint16_t min_signal;             // share of a channel that noise reduction leaves, 1/16384
    uint8_t smoothing_bits;          // fraction bits of the noise estimate
    uint8_t first_bin;               // of the first filter, 1..255
    uint8_t pcan_shift;              // 1..31, or 0 for no gain control
    uint8_t log_shift;               // log2 of the features' scale
    // tables in the model file, read in place,
    const int16_t *half_window;
    const int16_t *sine;
    const uint16_t *log2;
    const uint16_t *weights;
    const int16_t *gain;
    const uint8_t *widths;
    // and state.
    uint16_t filled;                 // samples of the next frame that have arrived
    uint32_t noise[TW_FRONTEND_CHANNELS_MAX];
    int16_t overlap[TW_FRONTEND_OVERLAP_MAX]; // the next frame's first window - hop samples
    union {                          // the next frame's other samples, then each stage's result in turn
        int16_t samples[TW_FRONTEND_FFT];
        tw_complex_t bins[TW_FRONTEND_FFT / 2];
        uint32_t energies[TW_FRONTEND_FFT / 2];
        uint16_t features[TW_FRONTEND_CHANNELS_MAX];
    } work;
} tw_frontend_t;

// 0, or TW_ERR_TRUNCATED or TW_ERR_FRONTEND. Everything below relies on it and cannot fail after it.
int tw_frontend_check(const uint8_t *section, size_t len);

// Starts a front end. The section has passed tw_frontend_check, is 4-byte aligned and stays where it is.
void tw_frontend_open(tw_frontend_t *fe, const uint8_t *section);

// Back to the state that open leaves: no samples, no noise estimate.
void tw_frontend_reset(tw_frontend_t *fe);

// Takes at most n samples and stops after the one that completes a frame; returns how many it took. *frame is then
// that frame's features[channels], valid until the next call, otherwise NULL.
size_t tw_frontend_push(tw_frontend_t *fe, const int16_t *pcm, size_t n, const uint16_t **frame);

#endif
