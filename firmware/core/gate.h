// SPDX-License-Identifier: MIT
// What may precede a wake word: while the gate is closed the wake word's network sleeps. A network with a detector of
// its own opens it (a voice detector), or sound that stands out from the steady noise; it stays open for a while after.
#ifndef TW_GATE_H
#define TW_GATE_H

#include "backlog.h"
#include "detector.h"
#include "frontend.h"
#include "scorer.h"

typedef struct {
    tw_model_t *model;  // attached, a file of its own with the wake word's front end; NULL: the sound's energy
    uint16_t hold_ms;   // how long it stays open
    uint8_t margin_db;  // of the energy: what opens it
} tw_gate_params_t;

typedef struct {
    tw_backlog_t backlog;   // of the wake word
    tw_scorer_t scorer;     // model NULL: the energy
    tw_detector_t detector; // of the network
    uint32_t level;         // of the energy: features summed over the channels, smoothed over four frames
    uint32_t threshold;     // the level that opens it
    uint32_t hold;          // frames
    uint32_t left;          // frames that it is still open
    uint16_t early;         // invokes of the network that do not count yet
    size_t memory_bytes;    // what tw_gate_attach wants
} tw_gate_t;

// `fe` is the front end that `word` listens with. 0, or TW_ERR_FRONTEND where the gate's file has not the same one,
// TW_ERR_RANGE where it is the word's own file, TW_ERR_STATE or TW_ERR_ARENA where the word's network cannot sleep
// (backlog.h).
int tw_gate_open(tw_gate_t *g, const tw_gate_params_t *params, const tw_frontend_t *fe, const tw_model_t *word);

// `memory` is 4-byte aligned and has memory_bytes.
void tw_gate_attach(tw_gate_t *g, void *memory);

// Closed, its network's state as new, no backlog.
void tw_gate_reset(tw_gate_t *g);

// One frame of the front end. Returns whether the gate's network is to be run, and tw_gate_settle to be called.
bool tw_gate_take(tw_gate_t *g, const uint16_t *frame, size_t channels);

// After the gate's network has run.
void tw_gate_settle(tw_gate_t *g);

static inline bool tw_gate_is_open(const tw_gate_t *g) {
    return g->left > 0;
}

#endif
