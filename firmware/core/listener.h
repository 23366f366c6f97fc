// SPDX-License-Identifier: MIT
// Audio in, events out: front end, input map, network and detector of one model, in step. The network itself is run by
// the caller, at once or in pieces, so that no call holds the processor longer than the caller wants:
//
//     while (at < n) {
//         at += tw_listener_push(l, pcm + at, n - at);
//         while (l->due) {
//             if (l->due != TW_DUE_NOTHING) {
//                 tw_model_t *m = l->due == TW_DUE_WORD ? word : gate;
//                 tw_model_run(m, 0, m->op_count);
//             }
//             event = tw_listener_settle(l);
//         }
//     }
//
// With a gate the network sleeps while that is closed: such a step has the scores 0. Where it opens, the network is
// run over the steps that it missed, or from its reset state over as many as its output depends on: every step in
// which it is awake has the scores that it would have without a gate. Between these runs tw_listener_push may be called
// too, so that new samples need not wait; what comes out is the same.
#ifndef TW_LISTENER_H
#define TW_LISTENER_H

#include "detector.h"
#include "frontend.h"
#include "gate.h"
#include "scorer.h"

enum {
    TW_DUE_WORD = 1,    // the wake word's network is to be run
    TW_DUE_GATE = 2,    // the gate's network
    TW_DUE_NOTHING = 3, // no network: a step was slept through
};

enum {
    TW_NO_EVENT = -1, // a step ended without one
    TW_NO_STEP = -2,  // no step has ended: the gate's network was run, or one of the earlier steps
};

typedef struct {
    // A reset clears these; they come first because a Cortex-M0+ reaches the first bytes of a structure most cheaply.
    uint8_t due;         // 0, or what is to be run before more samples are taken
    bool ready;          // the last step's score counts: the receptive field is full
    bool heeds;          // the ignored time after a reset is over
    bool asleep;         // the network was in the last step
    uint16_t part;       // samples of time that do not yet make a millisecond
    uint16_t peak;       // of the samples since the last step, 0..32768
    uint16_t clipped;    // samples at full scale since the last step, saturating
    uint16_t level_peak, level_clipped; // the same of the last whole step
    uint32_t t_ms;       // audio time at the end of the last step, since reset; wraps after 49 days
    uint32_t steps;      // since reset, saturating
    uint8_t score[TW_DETECTOR_MAX_LABELS]; // of the last step, 0..255
    // And keeps these.
    tw_gate_t *gate;     // caller's, or NULL
    tw_scorer_t scorer;
    tw_detector_t detector;
    tw_frontend_t frontend;
} tw_listener_t;

// The model has passed tw_model_open. TW_ERR_FRONTEND where it is no listener (no front end in the file).
int tw_listener_open(tw_listener_t *l, tw_model_t *m);

// Before tw_listener_attach: opens a gate and puts it in front; tw_gate_attach is then the caller's. Errors as of
// tw_gate_open: without a gate all is as before.
int tw_listener_put_gate(tw_listener_t *l, tw_gate_t *g, const tw_gate_params_t *params);

// After tw_model_attach; `memory` as in tw_detector_attach.
void tw_listener_attach(tw_listener_t *l, void *memory);

// Front end, network state, gate, detector and time as new.
void tw_listener_reset(tw_listener_t *l);

// Takes samples up to where something comes due; returns how many. Takes none while something is, but for steps that are
// made up for, as long as there is room for another.
size_t tw_listener_push(tw_listener_t *l, const int16_t *pcm, size_t n);

// After what was due has run: scores, detector, time. Returns the label of an event, TW_NO_EVENT or TW_NO_STEP.
int tw_listener_settle(tw_listener_t *l);

// New samples a step.
uint32_t tw_listener_step_samples(const tw_listener_t *l);

#endif
