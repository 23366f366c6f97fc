// SPDX-License-Identifier: MIT
#include "frontend.h"

#include "frontend_stages.h"
#include "move.h"

void tw_frontend_open(tw_frontend_t *fe, const uint8_t *section) {
    // Through void: fields and tables of 16 bits are little-endian as the cores are, and the section is aligned.
    const void *start = section, *tables = section + SECTION_TABLES;
    const uint16_t *fields = start;
    fe->sample_rate = fields[SECTION_SAMPLE_RATE / 2];
    fe->window = fields[SECTION_WINDOW / 2];
    fe->hop = fields[SECTION_HOP / 2];
    fe->channels = section[SECTION_CHANNELS];
    fe->smoothing[0] = fields[SECTION_EVEN_SMOOTHING / 2];
    fe->smoothing[1] = fields[SECTION_ODD_SMOOTHING / 2];
    fe->min_signal = fields[SECTION_MIN_SIGNAL / 2];
    fe->smoothing_bits = section[SECTION_SMOOTHING_BITS];
    fe->first_bin = section[SECTION_FIRST_BIN];
    fe->pcan_shift = section[SECTION_PCAN_SHIFT];
    fe->log_shift = section[SECTION_LOG_SHIFT];

    fe->half_window = tables;
    fe->sine = fe->half_window + fe->window / 2;
    fe->log2 = (const uint16_t *)fe->sine + SINE_ENTRIES;
    fe->weights = fe->log2 + LOG2_ENTRIES;
    fe->gain = (const int16_t *)fe->weights + section[SECTION_BINS];
    fe->widths = (const uint8_t *)(fe->gain + (fe->pcan_shift ? GAIN_ENTRIES : 0));
    tw_frontend_reset(fe);
}

void tw_frontend_reset(tw_frontend_t *fe) {
    fe->filled = 0;
    memset(fe->noise, 0, sizeof fe->noise);
}

// Copies samples to where the window stage looks for them: the first window - hop to overlap, the others to work.
static size_t fill(tw_frontend_t *fe, const int16_t *pcm, size_t n) {
    const size_t overlap = (size_t)fe->window - fe->hop;
    size_t taken = 0;
    while (taken < n && fe->filled < fe->window) {
        const bool early = fe->filled < overlap; // only before the first frame
        const size_t room = (early ? overlap : fe->window) - fe->filled;
        const size_t part = n - taken < room ? n - taken : room;
        tw_move((early ? fe->overlap : fe->work.samples) + fe->filled, pcm + taken, part * sizeof *pcm);
        fe->filled = (uint16_t)(fe->filled + part);
        taken += part;
    }
    return taken;
}

size_t tw_frontend_push(tw_frontend_t *fe, const int16_t *pcm, size_t n, const uint16_t **frame) {
    *frame = NULL;
    const size_t taken = fill(fe, pcm, n);
    if (fe->filled < fe->window) {
        return taken;
    }

    uint32_t signal[TW_FRONTEND_CHANNELS_MAX];
    const unsigned shift = tw_window_apply(fe);
    tw_fft_apply(fe, shift);
    tw_filterbank_apply(fe, shift, signal);
    tw_noise_reduce(fe, signal);
    if (fe->pcan_shift) {
        tw_pcan_apply(fe, signal);
    }
    tw_log_apply(fe, signal, fe->work.features);

    fe->filled = (uint16_t)(fe->window - fe->hop);
    *frame = fe->work.features;
    return taken;
}
