// SPDX-License-Identifier: MIT
#include "listener.h"

#include <string.h>

int tw_listener_open(tw_listener_t *l, tw_model_t *m) {
    const int err = tw_scorer_open(&l->scorer, m);
    if (err) {
        return err;
    }
    tw_frontend_open(&l->frontend, m->frontend);
    tw_detector_open(&l->detector, m->detector);
    l->gate = NULL;
    return TW_OK;
}

int tw_listener_put_gate(tw_listener_t *l, tw_gate_t *g, const tw_gate_params_t *params) {
    const int err = tw_gate_open(g, params, &l->frontend, l->scorer.model);
    l->gate = err ? NULL : g;
    return err;
}

void tw_listener_attach(tw_listener_t *l, void *memory) {
    tw_detector_attach(&l->detector, memory);
    tw_listener_reset(l);
}

static void advance_time(tw_listener_t *l, uint32_t samples) {
    const uint32_t samples_per_ms = l->frontend.sample_rate / 1000u;
    samples += l->part;
    l->t_ms += samples / samples_per_ms;
    l->part = (uint16_t)(samples % samples_per_ms);
}

void tw_listener_reset(tw_listener_t *l) {
    tw_frontend_reset(&l->frontend);
    tw_model_reset(l->scorer.model);
    tw_detector_reset(&l->detector);
    if (l->gate) {
        tw_gate_reset(l->gate);
    }
    l->scorer.rows = 0;
    memset(l, 0, offsetof(tw_listener_t, gate));
    // A frame ends when its window is full, so the first one takes window - hop samples more than the others.
    advance_time(l, (uint32_t)(l->frontend.window - l->frontend.hop));
}

uint32_t tw_listener_step_samples(const tw_listener_t *l) {
    return (uint32_t)l->scorer.model->frames * l->frontend.hop;
}

static void measure_level(tw_listener_t *l, const int16_t *pcm, size_t n) {
    int32_t below = l->peak < INT16_MAX ? l->peak : INT16_MAX - 1; // what is up to here tells nothing new
    for (const int16_t *end = pcm + n; pcm < end; ++pcm) {
        const int32_t sign = *pcm >> 15;
        const int32_t magnitude = (*pcm ^ sign) - sign;
        if (magnitude > below) {
            l->peak = (uint16_t)(magnitude > l->peak ? magnitude : l->peak);
            l->clipped = (uint16_t)(l->clipped + (magnitude >= INT16_MAX && l->clipped < UINT16_MAX));
            below = magnitude < INT16_MAX ? magnitude : INT16_MAX - 1;
        }
    }
}

// The network's input is whole, and the gate has decided.
static void begin_step(tw_listener_t *l) {
    l->due = TW_DUE_WORD;
    if (l->gate) {
        l->asleep = !tw_gate_is_open(l->gate);
        l->due = l->asleep ? TW_DUE_NOTHING : TW_DUE_WORD;
        tw_backlog_push(&l->gate->backlog, l->scorer.model, l->asleep);
    }
}

// Returns whether the caller has something to do now.
static bool take_frame(tw_listener_t *l, const uint16_t *frame) {
    const size_t channels = l->frontend.channels;
    uint8_t *input = l->gate ? tw_backlog_newest(&l->gate->backlog) : l->scorer.model->input;
    const bool whole = tw_scorer_take(&l->scorer, frame, channels, input);
    if (l->gate && tw_gate_take(l->gate, frame, channels)) {
        l->due = TW_DUE_GATE;
        return true;
    }
    if (whole) {
        begin_step(l);
    }
    return whole;
}

// While the word's network makes up for what it slept through, as long as there is room, and the gate stays open.
static bool may_take(const tw_listener_t *l) {
    if (l->due == TW_DUE_WORD && l->gate) {
        return l->gate->left > 1 && !tw_backlog_full(&l->gate->backlog);
    }
    return !l->due;
}

size_t tw_listener_push(tw_listener_t *l, const int16_t *pcm, size_t n) {
    size_t taken = 0;
    bool stop = false;
    while (taken < n && !stop && may_take(l)) {
        const uint16_t *frame;
        const size_t used = tw_frontend_push(&l->frontend, pcm + taken, n - taken, &frame);
        measure_level(l, pcm + taken, used);
        taken += used;
        stop = frame && take_frame(l, frame);
    }
    return taken;
}

static int end_step(tw_listener_t *l) {
    l->level_peak = l->peak;
    l->level_clipped = l->clipped;
    l->peak = l->clipped = 0;
    advance_time(l, tw_listener_step_samples(l));
    l->steps += l->steps < UINT32_MAX ? 1 : 0;
    if (l->asleep) {
        memset(l->score, 0, sizeof l->score);
    } else {
        tw_scorer_read(&l->scorer, l->score);
    }
    l->ready = l->steps > l->scorer.model->warmup;
    l->heeds = l->heeds || l->t_ms >= l->detector.ignore_ms; // for good: time wraps
    if (!l->ready || !l->heeds) {
        return TW_NO_EVENT;
    }
    return tw_detector_push(&l->detector, l->score, l->t_ms);
}

int tw_listener_settle(tw_listener_t *l) {
    const tw_model_t *m = l->scorer.model;
    tw_backlog_t *b = l->gate ? &l->gate->backlog : NULL;
    const unsigned due = l->due;
    int event = TW_NO_STEP;
    l->due = 0;
    if (due == TW_DUE_GATE) {
        tw_gate_settle(l->gate);
        if (l->scorer.rows == m->frames) {
            begin_step(l);
        } else if (b->left) {
            l->due = TW_DUE_WORD;
        }
    } else if (due) {
        if (due == TW_DUE_NOTHING || !b || !b->behind) {
            event = end_step(l); // before another input, which may lie where the output does
        }
        if (due == TW_DUE_WORD && b && tw_backlog_next(b, m)) {
            l->due = TW_DUE_WORD;
        }
    }
    return event;
}
