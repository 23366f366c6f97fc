// SPDX-License-Identifier: MIT
#include "detector.h"

#include "bytes.h"

#include <string.h>

#define HEAD_BYTES 8
#define LABEL_HEAD_BYTES 3 // flags, threshold, length of the name

// Lead bytes and as many that follow as they say: what interpreters need to make a string of a name.
static bool is_utf8(const uint8_t *s, size_t n) {
    int follow = 0;
    for (size_t i = 0; i < n; ++i) {
        if (follow ? (s[i] & 0xC0) != 0x80 : (s[i] & 0xC0) == 0x80 || s[i] >= 0xF8) {
            return false;
        }
        follow = follow ? follow - 1 : (s[i] >= 0xC0) + (s[i] >= 0xE0) + (s[i] >= 0xF0);
    }
    return follow == 0;
}

int tw_detector_check(const uint8_t *section, size_t len, uint32_t labels) {
    if (len < HEAD_BYTES) {
        return TW_ERR_TRUNCATED;
    }
    if (section[0] == 0 || section[0] > TW_DETECTOR_MAX_LABELS || section[0] != labels || section[1] == 0 ||
        section[1] > TW_DETECTOR_MAX_WINDOW || section[6] || section[7]) {
        return TW_ERR_DETECTOR;
    }
    size_t at = HEAD_BYTES;
    for (uint32_t i = 0; i < labels; ++i) {
        if (len - at < LABEL_HEAD_BYTES || len - at - LABEL_HEAD_BYTES < section[at + 2]) {
            return TW_ERR_TRUNCATED;
        }
        if (section[at] > 1 || section[at + 2] == 0 || !is_utf8(section + at + LABEL_HEAD_BYTES, section[at + 2])) {
            return TW_ERR_DETECTOR;
        }
        at += LABEL_HEAD_BYTES + section[at + 2];
    }
    return len - at < 4 ? TW_OK : TW_ERR_DETECTOR;
}

void tw_detector_open(tw_detector_t *d, const uint8_t *section) {
    memset(d, 0, sizeof *d);
    d->section = section;
    d->labels = section[0];
    d->window = section[1];
    d->refractory_ms = le16_aligned(section + 2);
    d->ignore_ms = le16_aligned(section + 4);
    d->memory_bytes = d->labels * (sizeof *d->label + d->window);
}

void tw_detector_attach(tw_detector_t *d, void *memory) {
    d->label = memory;
    d->ring = (uint8_t *)memory + d->labels * sizeof *d->label;
    memset(memory, 0, d->memory_bytes);
    const uint8_t *record = d->section + HEAD_BYTES;
    for (uint32_t i = 0; i < d->labels; ++i) {
        d->label[i].wake = record[0];
        d->label[i].threshold = record[1];
        record += LABEL_HEAD_BYTES + record[2];
    }
    tw_detector_reset(d);
}

void tw_detector_reset(tw_detector_t *d) {
    d->at = 0;
    memset(d->ring, 0, (size_t)d->window * d->labels);
    for (uint32_t i = 0; i < d->labels; ++i) {
        d->label[i].sum = 0;
        d->label[i].armed = 1;
        d->label[i].quiet = 0;
    }
}

int tw_detector_push(tw_detector_t *d, const uint8_t *scores, uint32_t t_ms) {
    uint8_t *row = d->ring + (size_t)d->at * d->labels;
    d->at = (uint8_t)(d->at + 1 == d->window ? 0 : d->at + 1);
    int event = -1;
    for (uint32_t i = 0; i < d->labels; ++i) {
        tw_detector_label_t *l = &d->label[i];
        l->sum = (uint16_t)(l->sum - row[i] + scores[i]);
        row[i] = scores[i];
        // Asked at every step, so that the difference stays small when time wraps.
        if ((int32_t)(t_ms - l->quiet_until) >= 0) {
            l->quiet = 0;
        }
        if (l->sum <= l->threshold * d->window) {
            l->armed = 1;
        } else if (l->wake && l->armed && !l->quiet && (event < 0 || l->sum > d->label[event].sum)) {
            event = (int)i;
        }
    }
    if (event >= 0) {
        d->label[event].armed = 0;
        d->label[event].quiet = 1;
        d->label[event].quiet_until = t_ms + d->refractory_ms;
    }
    return event;
}

bool tw_detector_above(const tw_detector_t *d) {
    bool above = false;
    for (uint32_t i = 0; i < d->labels; ++i) {
        above |= d->label[i].wake && d->label[i].sum > d->label[i].threshold * d->window;
    }
    return above;
}

uint8_t tw_detector_mean(const tw_detector_t *d, uint32_t label) {
    return (uint8_t)(d->label[label].sum / d->window);
}

static const uint8_t *record_of(const tw_detector_t *d, uint32_t label) {
    const uint8_t *record = d->section + HEAD_BYTES;
    while (label--) {
        record += LABEL_HEAD_BYTES + record[2];
    }
    return record;
}

const uint8_t *tw_detector_name(const tw_detector_t *d, uint32_t label, size_t *len) {
    const uint8_t *record = record_of(d, label);
    *len = record[2];
    return record + LABEL_HEAD_BYTES;
}

bool tw_detector_wake(const tw_detector_t *d, uint32_t label) {
    return record_of(d, label)[0];
}
