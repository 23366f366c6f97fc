// SPDX-License-Identifier: MIT
// Every check of a FRONTEND section's untrusted bytes. What passes may describe a front end that makes no sense, but
// none that reads outside the section, shifts too far or overflows.
#include "bytes.h"
#include "errors.h"
#include "frontend_stages.h"

enum {
    WINDOW_MIN = TW_FRONTEND_FFT / 2 + 2, // shorter ones have a smaller FFT in the reference
    SMOOTHING_BITS_MAX = 16,
    LOG_SHIFT_MAX = 11,              // a logarithm is below 2^21
};

static bool header_ok(const uint8_t *s) {
    const unsigned window = le16_aligned(s + SECTION_WINDOW), hop = le16_aligned(s + SECTION_HOP);
    const unsigned first = s[SECTION_FIRST_BIN], bins = s[SECTION_BINS];
    const bool pcan = s[SECTION_FLAGS] & FLAG_PCAN;
    return s[SECTION_KIND] == KIND_MICRO_FRONTEND && (s[SECTION_FLAGS] & ~FLAG_PCAN) == 0
        && le16_aligned(s + SECTION_SAMPLE_RATE) > 0 && le16_aligned(s + SECTION_FFT) == TW_FRONTEND_FFT
        && window >= WINDOW_MIN && window <= TW_FRONTEND_FFT && window % 2 == 0
        && hop > 0 && hop <= window && window - hop <= TW_FRONTEND_OVERLAP_MAX
        && s[SECTION_CHANNELS] > 0 && s[SECTION_CHANNELS] <= TW_FRONTEND_CHANNELS_MAX
        && first > 0 && bins > 0 && first + bins <= TW_FRONTEND_FFT / 2
        && s[SECTION_SMOOTHING_BITS] <= SMOOTHING_BITS_MAX && s[SECTION_LOG_SHIFT] <= LOG_SHIFT_MAX
        && s[SECTION_PCAN_SHIFT] < 32 && (s[SECTION_PCAN_SHIFT] > 0) == pcan
        && le16_aligned(s + SECTION_EVEN_SMOOTHING) <= 1 << SMOOTHING_ONE_BITS
        && le16_aligned(s + SECTION_ODD_SMOOTHING) <= 1 << SMOOTHING_ONE_BITS
        && le16_aligned(s + SECTION_MIN_SIGNAL) <= 1 << SMOOTHING_ONE_BITS && le16_aligned(s + SECTION_RESERVED) == 0;
}

// Coefficients and their mirror images lie in 0..4096, so a product is a sample again.
static bool window_ok(const uint8_t *table, size_t entries) {
    for (; entries; entries--, table += 2) {
        const int entry = (int16_t)le16_aligned(table);
        const int rising = entry & 0x1FFF, falling = rising + (entry >> 13);
        if (rising > 4096 || falling < 0 || falling > 4096) {
            return false;
        }
    }
    return true;
}

static bool weights_ok(const uint8_t *table, size_t entries) {
    for (; entries; entries--, table += 2) {
        if (le16_aligned(table) > 1 << WEIGHT_BITS) {
            return false;
        }
    }
    return true;
}

int tw_frontend_check(const uint8_t *section, size_t len) {
    if (len < SECTION_TABLES) {
        return TW_ERR_TRUNCATED;
    }
    if (!header_ok(section)) {
        return TW_ERR_FRONTEND;
    }
    const size_t bins = section[SECTION_BINS], groups = (size_t)section[SECTION_CHANNELS] + 1;
    const size_t half_window = le16_aligned(section + SECTION_WINDOW) / 2u;
    const size_t gains = section[SECTION_PCAN_SHIFT] ? GAIN_ENTRIES : 0;
    const size_t weights_at = SECTION_TABLES + 2 * (half_window + SINE_ENTRIES + LOG2_ENTRIES);
    const size_t widths_at = weights_at + 2 * (bins + gains);
    const size_t end = (widths_at + groups + 3) & ~(size_t)3;
    if (len < end) {
        return TW_ERR_TRUNCATED;
    }

    size_t width = 0, padding = len - end;
    for (size_t i = 0; i < groups; i++) {
        width += section[widths_at + i];
    }
    for (size_t i = widths_at + groups; i < end; i++) {
        padding |= section[i];
    }
    const bool ok = width == bins && padding == 0 && window_ok(section + SECTION_TABLES, half_window)
        && weights_ok(section + weights_at, bins);
    return ok ? TW_OK : TW_ERR_FRONTEND;
}
