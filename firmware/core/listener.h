// SPDX-License-Identifier: MIT
// Audio in, events out: front end, input map, network and detector of one model, in step. The network itself is run by
// the caller, at once or in pieces, so that no call holds the processor longer than the caller wants:
//
//     while (at < n) {
//         at += tw_listener_push(l, pcm + at, n - at);
//         if (l->due) {
//             tw_model_run(l->model, 0, l->model->op_count);
//             event = tw_listener_settle(l);
//         }
//     }
#ifndef TW_LISTENER_H
#define TW_LISTENER_H

#include "detector.h"
#include "frontend.h"
#include "input_map.h"
#include "model.h"

typedef struct {
    tw_model_t *model; // attached; caller's
    tw_frontend_t frontend;
    tw_input_map_t map;
    tw_detector_t detector;
    uint32_t t_ms;       // audio time at the end of the last step, since reset; wraps after 49 days
    uint32_t steps;      // since reset, saturating
    uint16_t part;       // samples of time that do not yet make a millisecond
    uint16_t rows;       // frames already in the network's input
    uint16_t peak;       // of the samples since the last settle, 0..32768
    uint16_t clipped;    // samples at full scale since the last settle, saturating
    uint16_t level_peak, level_clipped; // the same of the last whole step
    bool due;            // the network has all its new frames
    bool ready;          // the last step's score counts: the receptive field is full
    bool awake;          // the ignored time after a reset is over
    uint8_t flip;        // what makes an output byte a score: int8 and uint8 probabilities differ by the sign bit
    uint8_t score[TW_DETECTOR_MAX_LABELS]; // of the last step, 0..255
} tw_listener_t;

// The model has passed tw_model_open. TW_ERR_FRONTEND where it is no listener (no front end in the file).
int tw_listener_open(tw_listener_t *l, tw_model_t *m);

// After tw_model_attach; `memory` as in tw_detector_attach.
void tw_listener_attach(tw_listener_t *l, void *memory);

// Front end, network state, detector and time as new.
void tw_listener_reset(tw_listener_t *l);

// Takes samples up to the next step; returns how many. Takes none while a step is due.
size_t tw_listener_push(tw_listener_t *l, const int16_t *pcm, size_t n);

// After the network has run: scores, detector, time. Returns the label of an event or -1.
int tw_listener_settle(tw_listener_t *l);

// New samples a step.
uint32_t tw_listener_step_samples(const tw_listener_t *l);

#endif
