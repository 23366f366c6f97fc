// SPDX-License-Identifier: MIT
// One network between features and scores: rows go through its input map into its input, its output is scores of
// 0..255. Running it in between is the caller's.
#ifndef TW_SCORER_H
#define TW_SCORER_H

#include "input_map.h"
#include "model.h"

typedef struct {
    tw_model_t *model; // attached; caller's
    tw_input_map_t map;
    uint16_t rows;     // frames of the current invoke so far; model->frames: it is whole
    uint8_t flip;      // what makes an output byte a score: int8 and uint8 probabilities differ by the sign bit
} tw_scorer_t;

// The model has passed tw_model_open. TW_ERR_FRONTEND where it does not listen (no front end in the file).
int tw_scorer_open(tw_scorer_t *s, tw_model_t *m);

// Maps a frame to the next row of `input` [model->frames][channels], from the first one on where the last invoke was
// whole. Returns whether it is whole now.
bool tw_scorer_take(tw_scorer_t *s, const uint16_t *frame, size_t channels, void *input);

// After the network has run: scores[model->output_bytes].
void tw_scorer_read(const tw_scorer_t *s, uint8_t *scores);

#endif
