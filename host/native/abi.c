// SPDX-License-Identifier: MIT
// What host/tinywake/core.py needs beyond the core's own functions: sizes of the caller-owned structs and their fields,
// so that Python knows no struct layout. Part of the host library only.
#include "coded.h"
#include "listener.h"

#include <string.h>

size_t tw_abi_model_size(void);
size_t tw_abi_listener_size(void);
size_t tw_abi_frontend_size(void);
size_t tw_abi_detector_size(void);
size_t tw_abi_gate_size(void);
size_t tw_abi_coded_size(void);
int64_t tw_abi_model(const tw_model_t *m, int field);
int64_t tw_abi_listener(const tw_listener_t *l, int field);
int64_t tw_abi_frontend(const tw_frontend_t *fe, int field);
int64_t tw_abi_detector(const tw_detector_t *d, int field);
int64_t tw_abi_gate_memory(const tw_gate_t *g);
int tw_abi_put_gate(tw_listener_t *l, tw_gate_t *g, tw_model_t *model, uint16_t hold_ms, uint8_t margin_db);
uint8_t *tw_abi_model_input(const tw_model_t *m);
const uint8_t *tw_abi_model_output(const tw_model_t *m);
tw_detector_t *tw_abi_listener_detector(tw_listener_t *l);

size_t tw_abi_model_size(void) {
    return sizeof(tw_model_t);
}

size_t tw_abi_listener_size(void) {
    return sizeof(tw_listener_t);
}

size_t tw_abi_frontend_size(void) {
    return sizeof(tw_frontend_t);
}

size_t tw_abi_detector_size(void) {
    return sizeof(tw_detector_t);
}

size_t tw_abi_gate_size(void) {
    return sizeof(tw_gate_t);
}

size_t tw_abi_coded_size(void) {
    return sizeof(tw_coded_t);
}

int64_t tw_abi_model(const tw_model_t *m, int field) {
    const int64_t values[] = {m->arena_bytes, m->state_bytes, m->input_bytes, m->output_bytes, m->op_count, m->frames,
        m->warmup, m->frontend != NULL};
    return values[field];
}

int64_t tw_abi_listener(const tw_listener_t *l, int field) {
    const int64_t values[] = {
        l->due, l->ready, l->t_ms, l->level_peak, l->level_clipped, tw_listener_step_samples(l)};
    return values[field];
}

int64_t tw_abi_frontend(const tw_frontend_t *fe, int field) {
    const int64_t values[] = {fe->sample_rate, fe->window, fe->hop, fe->channels};
    return values[field];
}

int64_t tw_abi_detector(const tw_detector_t *d, int field) {
    const int64_t values[] = {d->labels, d->window, d->refractory_ms, d->ignore_ms, (int64_t)d->memory_bytes};
    return values[field];
}

int64_t tw_abi_gate_memory(const tw_gate_t *g) {
    return (int64_t)g->memory_bytes;
}

// tw_listener_put_gate, with the parameters one by one.
int tw_abi_put_gate(tw_listener_t *l, tw_gate_t *g, tw_model_t *model, uint16_t hold_ms, uint8_t margin_db) {
    const tw_gate_params_t params = {model, hold_ms, margin_db};
    return tw_listener_put_gate(l, g, &params);
}

uint8_t *tw_abi_model_input(const tw_model_t *m) {
    return m->input;
}

const uint8_t *tw_abi_model_output(const tw_model_t *m) {
    return m->output;
}

// What tw_model_attach was given: state first.
tw_detector_t *tw_abi_listener_detector(tw_listener_t *l) {
    return &l->detector;
}

// One row a step, for tw_abi_listen.
typedef struct {
    uint8_t *scores, *means; // [steps][labels]
    uint32_t *t_ms;          // [steps]
    int8_t *events;          // label or -1
    uint8_t *ready, *awake;
    uint64_t *invokes;       // [2], counted up: of the wake word's network and of the gate's
} tw_abi_steps_t;

// A whole stretch of audio in one call. Returns the steps done: at most n / step_samples + 1, for which there must be
// room.
size_t tw_abi_listen(tw_listener_t *l, const int16_t *pcm, size_t n, const tw_abi_steps_t *to);

size_t tw_abi_listen(tw_listener_t *l, const int16_t *pcm, size_t n, const tw_abi_steps_t *to) {
    size_t steps = 0;
    for (size_t at = 0; at < n;) {
        at += tw_listener_push(l, pcm + at, n - at);
        while (l->due) {
            if (l->due != TW_DUE_NOTHING) {
                tw_model_t *m = l->due == TW_DUE_GATE ? l->gate->scorer.model : l->scorer.model;
                tw_model_run(m, 0, m->op_count);
                to->invokes[l->due == TW_DUE_GATE]++;
            }
            const int event = tw_listener_settle(l);
            if (event == TW_NO_STEP) {
                continue;
            }
            const uint32_t labels = l->detector.labels;
            for (uint32_t i = 0; i < labels; ++i) {
                to->scores[steps * labels + i] = l->score[i];
                to->means[steps * labels + i] = tw_detector_mean(&l->detector, i);
            }
            to->t_ms[steps] = l->t_ms;
            to->events[steps] = (int8_t)event;
            to->ready[steps] = l->ready;
            to->awake[steps] = !l->asleep;
            steps++;
        }
    }
    return steps;
}

// Frames of a whole stretch of audio: at most n / hop + 1, written to out[frames][channels]. Returns how many.
size_t tw_abi_features(tw_frontend_t *fe, const int16_t *pcm, size_t n, uint16_t *out);

size_t tw_abi_features(tw_frontend_t *fe, const int16_t *pcm, size_t n, uint16_t *out) {
    size_t frames = 0;
    for (size_t at = 0; at < n;) {
        const uint16_t *frame;
        at += tw_frontend_push(fe, pcm + at, n - at, &frame);
        if (frame) {
            memcpy(out + frames * fe->channels, frame, fe->channels * sizeof *frame);
            frames++;
        }
    }
    return frames;
}
