// SPDX-License-Identifier: MIT
#include "listener.h"

#include "decode.h"

int tw_listener_open(tw_listener_t *l, tw_model_t *m) {
    if (!m->frontend) {
        return TW_ERR_FRONTEND;
    }
    l->model = m;
    tw_frontend_open(&l->frontend, m->frontend);
    tw_input_map_open(&l->map, m->input_map);
    tw_detector_open(&l->detector, m->detector);
    tw_io_t io;
    tw_tensor_t out;
    tw_decode_io(m, &io);
    tw_decode_tensor(m, io.tensor[1], &out);
    l->flip = out.type == TW_TYPE_INT8 ? 0x80 : 0;
    return TW_OK;
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
    tw_model_reset(l->model);
    tw_detector_reset(&l->detector);
    // A frame ends when its window is full, so the first one takes window - hop samples more than the others.
    l->t_ms = 0;
    l->part = 0;
    advance_time(l, (uint32_t)(l->frontend.window - l->frontend.hop));
    l->steps = 0;
    l->rows = 0;
    l->peak = l->clipped = l->level_peak = l->level_clipped = 0;
    l->due = l->ready = l->awake = false;
    for (uint32_t i = 0; i < TW_DETECTOR_MAX_LABELS; ++i) {
        l->score[i] = 0;
    }
}

uint32_t tw_listener_step_samples(const tw_listener_t *l) {
    return (uint32_t)l->model->frames * l->frontend.hop;
}

static void measure_level(tw_listener_t *l, const int16_t *pcm, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        const int32_t magnitude = pcm[i] < 0 ? -pcm[i] : pcm[i];
        l->peak = (uint16_t)(magnitude > l->peak ? magnitude : l->peak);
        if (magnitude >= INT16_MAX && l->clipped < UINT16_MAX) {
            l->clipped++;
        }
    }
}

size_t tw_listener_push(tw_listener_t *l, const int16_t *pcm, size_t n) {
    size_t taken = 0;
    while (taken < n && !l->due) {
        const uint16_t *frame;
        const size_t used = tw_frontend_push(&l->frontend, pcm + taken, n - taken, &frame);
        measure_level(l, pcm + taken, used);
        taken += used;
        if (frame) {
            const size_t channels = l->frontend.channels;
            tw_input_map_apply(&l->map, frame, channels, (int8_t *)l->model->input + l->rows * channels);
            l->rows++;
            l->due = l->rows == l->model->frames;
        }
    }
    return taken;
}

int tw_listener_settle(tw_listener_t *l) {
    if (!l->due) {
        return -1;
    }
    l->due = false;
    l->rows = 0;
    l->level_peak = l->peak;
    l->level_clipped = l->clipped;
    l->peak = l->clipped = 0;
    advance_time(l, tw_listener_step_samples(l));
    l->steps += l->steps < UINT32_MAX ? 1 : 0;
    for (uint32_t i = 0; i < l->detector.labels; ++i) {
        l->score[i] = (uint8_t)(l->model->output[i] ^ l->flip);
    }
    l->ready = l->steps > l->model->warmup;
    l->awake = l->awake || l->t_ms >= l->detector.ignore_ms; // for good: time wraps
    if (!l->ready || !l->awake) {
        return -1;
    }
    return tw_detector_push(&l->detector, l->score, l->t_ms);
}
