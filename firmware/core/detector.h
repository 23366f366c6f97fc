// SPDX-License-Identifier: MIT
// From scores to events: sliding mean, threshold, refractory time, one event per utterance. models/SPEC.md, DETECTOR,
// has the rule; the host measures false accepts with this very code.
#ifndef TW_DETECTOR_H
#define TW_DETECTOR_H

#include "errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TW_DETECTOR_MAX_LABELS 32
#define TW_DETECTOR_MAX_WINDOW 64

typedef struct {
    uint32_t quiet_until; // ms: the refractory time's end, while quiet
    uint16_t sum;         // of the label's scores in the window
    uint8_t threshold;    // 0..255
    uint8_t wake;         // 0: a background class, never an event
    uint8_t armed;        // the mean has been at or below the threshold since the last event
    uint8_t quiet;        // the refractory time of the last event is not over
} tw_detector_label_t;

typedef struct {
    const uint8_t *section;
    uint16_t refractory_ms, ignore_ms;
    uint8_t labels, window;
    uint8_t at;                  // next row of the ring
    size_t memory_bytes;         // what tw_detector_attach wants
    tw_detector_label_t *label;  // [labels]
    uint8_t *ring;               // [window][labels], scores
} tw_detector_t;

// 0 or a negative code. `labels` is the number of elements of the network's output.
int tw_detector_check(const uint8_t *section, size_t len, uint32_t labels);

// The section has been checked and is kept.
void tw_detector_open(tw_detector_t *d, const uint8_t *section);

// `memory` is 4-byte aligned and has memory_bytes. Thresholds are taken from the section, the rest is reset.
void tw_detector_attach(tw_detector_t *d, void *memory);

// As new, but for thresholds that the caller has changed.
void tw_detector_reset(tw_detector_t *d);

// One step: scores[labels], 0..255, and the time of its end in ms (may wrap). Returns the label of an event or -1.
// Of several labels above their thresholds in one step, the one with the highest mean has the event.
int tw_detector_push(tw_detector_t *d, const uint8_t *scores, uint32_t t_ms);

// Whether any wake label's mean is above its threshold: what a gate asks, which has no events.
bool tw_detector_above(const tw_detector_t *d);

// The mean that was compared with the threshold, rounded down, 0..255.
uint8_t tw_detector_mean(const tw_detector_t *d, uint32_t label);

// A label's name in the section: not zero-terminated.
const uint8_t *tw_detector_name(const tw_detector_t *d, uint32_t label, size_t *len);

// Whether a label can have events, from the section alone.
bool tw_detector_wake(const tw_detector_t *d, uint32_t label);

#endif
