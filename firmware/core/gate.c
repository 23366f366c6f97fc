// SPDX-License-Identifier: MIT
#include "gate.h"

#include <string.h>

#define DB 118            // a dB in the features' unit, which is a neper << log_shift, times 2^DB_BITS
#define DB_BITS 10
#define SMOOTHING 2       // a frame is a quarter of the level

static bool same_bytes(const uint8_t *a, const uint8_t *b, size_t n) {
    while (n && *a++ == *b++) {
        n--;
    }
    return n == 0;
}

int tw_gate_open(tw_gate_t *g, const tw_gate_params_t *params, const tw_frontend_t *fe, const tw_model_t *word) {
    memset(g, 0, sizeof *g);
    g->hold = params->hold_ms * (fe->sample_rate / 1000u) / fe->hop;
    g->threshold = fe->channels * (((uint32_t)params->margin_db * DB << fe->log_shift) >> DB_BITS);
    tw_model_t *m = params->model;
    if (m) {
        if (m->file == word->file) {
            return TW_ERR_RANGE;
        }
        if (m->frontend_bytes != word->frontend_bytes || !same_bytes(m->frontend, word->frontend, m->frontend_bytes)) {
            return TW_ERR_FRONTEND;
        }
        (void)tw_scorer_open(&g->scorer, m); // it has a front end
        tw_detector_open(&g->detector, m->detector);
    }
    const int err = tw_backlog_open(&g->backlog, word);
    g->memory_bytes = (((size_t)g->backlog.slots * g->backlog.bytes + 3) & ~(size_t)3) + g->detector.memory_bytes;
    return err;
}

void tw_gate_attach(tw_gate_t *g, void *memory) {
    g->backlog.inputs = memory; // first: it holds the memory for a garbage collector
    if (g->scorer.model) {
        tw_detector_attach(&g->detector, (uint8_t *)memory + g->memory_bytes - g->detector.memory_bytes);
    }
}

void tw_gate_reset(tw_gate_t *g) {
    tw_backlog_reset(&g->backlog);
    g->left = g->level = 0;
    if (g->scorer.model) {
        g->early = g->scorer.model->warmup;
        g->scorer.rows = 0;
        tw_model_reset(g->scorer.model);
        tw_detector_reset(&g->detector);
    }
}

bool tw_gate_take(tw_gate_t *g, const uint16_t *frame, size_t channels) {
    g->left -= g->left > 0;
    if (g->scorer.model) {
        return tw_scorer_take(&g->scorer, frame, channels, g->scorer.model->input);
    }
    // Features are logarithms, and what the noise reduction leaves of steady noise is small at any loudness.
    uint32_t sum = 0;
    for (size_t i = 0; i < channels; ++i) {
        sum += frame[i];
    }
    g->level += (sum >> SMOOTHING) - (g->level >> SMOOTHING);
    if (g->level > g->threshold) {
        g->left = g->hold + 1;
    }
    return false;
}

void tw_gate_settle(tw_gate_t *g) {
    if (g->early) {
        g->early--;
        return;
    }
    uint8_t scores[TW_DETECTOR_MAX_LABELS];
    tw_scorer_read(&g->scorer, scores);
    (void)tw_detector_push(&g->detector, scores, 0);
    if (tw_detector_above(&g->detector)) {
        g->left = g->hold + g->scorer.model->frames; // until the next decision, and then the hold
    }
}
