// SPDX-License-Identifier: MIT
// PDM decimation. The CIC filter's integrators are not stepped bit by bit: eight steps of the cascade a, b, c, d are a
// linear map, d += 8c + 36b + 120a + d8, c += 8b + 36a + c8, b += 8a + b8, a += a8, with a8..d8 of the eight bits. With
// B = b + 9a and C = 2c + 9b + 30a for b and c each sum needs only the one before it: d += 4C, C += 16B, B += 8a, and
// what the bits bring.
#include "pdm.h"

enum {
    COMB_BYTES = TW_PDM_BYTES / 2,
    HALF_SCALE = 1 << 23,  // the CIC filter's output is 0..2^24, silence is half of it
    CONSTANT_BITS = 6,     // fraction of tw_pdm_t.constant
    CONSTANT_SHIFT = 10,   // high pass at 32 kHz / (2 pi 2^10) = 5 Hz
    SLOT_BITS = 8,         // a slot of I2S has 32 bits, the CIC filter's output 24
    TAP_BITS = 14,         // a tap of 1.0 is 2^14; the taps' magnitudes sum up to 2.45, so 2^31 is not reached
};

// What four bits bring to a, B, C and d: 4, 7, 10 and 9 bits of an entry, a's lowest. A bit after which i more come in
// its byte brings 1, i + 1, (i + 1)(i + 2) / 2 and (i + 1)(i + 2)(i + 3) / 6 to a, b, c and d.
#define BIT(a, b, c, d) ((uint32_t)(a) | (uint32_t)((b) + 9 * (a)) << 4 \
    | (uint32_t)(2 * (c) + 9 * (b) + 30 * (a)) << 11 | (uint32_t)(d) << 21)
#define EARLY(i) ((i & 1) * BIT(1, 8, 36, 120) + (i >> 1 & 1) * BIT(1, 7, 28, 84) \
    + (i >> 2 & 1) * BIT(1, 6, 21, 56) + (i >> 3) * BIT(1, 5, 15, 35))
#define LATE(i) ((i & 1) * BIT(1, 4, 10, 20) + (i >> 1 & 1) * BIT(1, 3, 6, 10) \
    + (i >> 2 & 1) * BIT(1, 2, 3, 4) + (i >> 3) * BIT(1, 1, 1, 1))
#define TABLE(of) {of(0), of(1), of(2), of(3), of(4), of(5), of(6), of(7), \
    of(8), of(9), of(10), of(11), of(12), of(13), of(14), of(15)}

static const uint32_t early[16] = TABLE(EARLY), late[16] = TABLE(LATE);

// First half of a symmetric filter: flat to 7 kHz behind the CIC filter, closed from 9 kHz: tests/core/test_pdm.py.
static const int16_t taps[TW_PDM_TAPS / 2] = {
    -82, -46, 100, 74, -147, -127, 220, 198, -309, -306, 434, 462, -603, -715, 862, 1177, -1305, -2324, 2230, 8341};

static int16_t saturate(int32_t x) {
    return (int16_t)(x > INT16_MAX ? INT16_MAX : x < INT16_MIN ? INT16_MIN : x);
}

// The CIC filter's combs, the constant part and the gain: one value at 32 kHz.
static int16_t comb(tw_pdm_t *p, uint32_t x, uint32_t shift) {
    for (int i = 0; i < 4; ++i) {
        const uint32_t before = p->last[i];
        p->last[i] = x;
        x -= before;
    }
    if (p->settling < 4) {
        ++p->settling;
        x = HALF_SCALE;
    }
    const int32_t value = (int32_t)x - HALF_SCALE;
    p->constant += (value * (1 << CONSTANT_BITS) - p->constant) >> CONSTANT_SHIFT;
    return saturate((value - (p->constant >> CONSTANT_BITS)) >> (shift - SLOT_BITS));
}

static int16_t filter(const int16_t *x) {
    const int16_t *from_end = x + TW_PDM_TAPS;
    int32_t y = 1 << (TAP_BITS - 1);
    for (int i = 0; i < TW_PDM_TAPS / 2; ++i) {
        y += taps[i] * (*x++ + *--from_end);
    }
    return saturate(y >> TAP_BITS);
}

// sum: a, B, C and d.
static void integrate(uint32_t *sum, const uint8_t *bits, size_t n) {
    uint32_t a = sum[0], b = sum[1], c = sum[2], d = sum[3];
    for (const uint8_t *end = bits + n; bits < end;) {
        const uint32_t byte = *bits++, brings = early[byte & 15] + late[byte >> 4];
        d += 4 * c;
        d += brings >> 21;
        c += 16 * b;
        c += brings << 11 >> 22;
        b += 8 * a;
        b += brings << 21 >> 25;
        a += brings & 15;
    }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
}

void tw_pdm_push(tw_pdm_t *p, const uint8_t *bits, size_t n, uint32_t shift, int16_t *out) {
    while (n) {
        const size_t until_comb = COMB_BYTES - p->byte % COMB_BYTES, count = n < until_comb ? n : until_comb;
        integrate(p->sum, bits, count);
        bits += count;
        n -= count;
        p->byte = (uint8_t)(p->byte + count);
        if (p->byte == COMB_BYTES) {
            for (int i = 1; i < TW_PDM_TAPS / 2; ++i) {
                p->history.pair[i - 1] = p->history.pair[i];
            }
            p->history.value[TW_PDM_TAPS - 2] = comb(p, p->sum[3], shift);
        } else if (p->byte == TW_PDM_BYTES) {
            p->byte = 0;
            p->history.value[TW_PDM_TAPS - 1] = comb(p, p->sum[3], shift);
            *out++ = filter(p->history.value);
        }
    }
}
