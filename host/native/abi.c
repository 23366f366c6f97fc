// SPDX-License-Identifier: MIT
// What host/tinywake/core.py needs beyond the core's own functions: sizes of the caller-owned structs and their fields,
// so that Python knows no struct layout. Part of the host library only.
#include "listener.h"

#include <string.h>

size_t tw_abi_model_size(void);
size_t tw_abi_listener_size(void);
size_t tw_abi_frontend_size(void);
size_t tw_abi_detector_size(void);
int64_t tw_abi_model(const tw_model_t *m, int field);
int64_t tw_abi_listener(const tw_listener_t *l, int field);
int64_t tw_abi_frontend(const tw_frontend_t *fe, int field);
int64_t tw_abi_detector(const tw_detector_t *d, int field);
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

// A whole stretch of audio in one call. Writes per step: scores[labels], means[labels], t_ms, the label of its event or
// -1, and whether it was ready.
// Returns the steps done: at most n / step_samples + 1, for which there must be room.
size_t tw_abi_listen(tw_listener_t *l, const int16_t *pcm, size_t n, uint8_t *scores, uint8_t *means,
    uint32_t *t_ms, int8_t *events, uint8_t *ready);

size_t tw_abi_listen(tw_listener_t *l, const int16_t *pcm, size_t n, uint8_t *scores, uint8_t *means,
    uint32_t *t_ms, int8_t *events, uint8_t *ready) {
    size_t steps = 0;
    for (size_t at = 0; at < n;) {
        at += tw_listener_push(l, pcm + at, n - at);
        if (l->due) {
            tw_model_run(l->model, 0, l->model->op_count);
            events[steps] = (int8_t)tw_listener_settle(l);
            t_ms[steps] = l->t_ms;
            ready[steps] = l->ready;
            for (uint32_t i = 0; i < l->detector.labels; ++i) {
                *scores++ = l->score[i];
                *means++ = tw_detector_mean(&l->detector, i);
            }
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
