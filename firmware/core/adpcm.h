// SPDX-License-Identifier: MIT
// IMA ADPCM (the Interactive Multimedia Association's recommended practices, 1992, as in wav files): int16 samples to
// four bits each, by the difference from what the reader expects.
#ifndef TW_ADPCM_H
#define TW_ADPCM_H

#include <stddef.h>
#include <stdint.h>

// What a reader must know before the next sample. All zero: the beginning.
typedef struct {
    int16_t predictor;
    uint8_t index; // of the step size, 0..88
    uint8_t none;
} tw_adpcm_t;

// Encodes n samples into the halves of out's bytes, lower half first, beginning with half `at`. A byte whose lower half
// is written has 0 in its upper one.
void tw_adpcm_encode(tw_adpcm_t *state, const int16_t *pcm, size_t n, uint8_t *out, size_t at);

#endif
