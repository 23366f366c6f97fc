// SPDX-License-Identifier: MIT
// Armv7E-M's instructions on two 16-bit lanes, and requantisation with them. Sums of products are modulo 2^32 as elsewhere.
#ifndef TW_DSP_ARMV7EM_H
#define TW_DSP_ARMV7EM_H

#include "ops.h"

#include <string.h>

#define TW_ASM_1(name, instruction)                                          \
    static inline uint32_t name(uint32_t a) {                                \
        uint32_t result;                                                     \
        __asm__(".syntax unified\n" instruction : "=r"(result) : "r"(a));    \
        return result;                                                       \
    }

TW_ASM_1(tw_even_s8, "sxtb16 %0, %1")         // bytes 0 and 2 as lanes
TW_ASM_1(tw_odd_s8, "sxtb16 %0, %1, ror #8")  // bytes 1 and 3

// sum + a . b
static inline int32_t tw_smlad(uint32_t a, uint32_t b, int32_t sum) {
    int32_t result;
    __asm__(".syntax unified\n smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

// Four bytes from anywhere.
static inline uint32_t tw_four(const void *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

#define TW_WEIGHTS 0xff80ff80u // what added to two weights' bytes gives the weights

// sum + x . w, of weights in a row (models/SPEC.md).
int32_t tw_dot(const int8_t *x, const uint8_t *w, uint32_t taps, int32_t sum);

// What makes outputs of sums: multipliers and shifts, `each` one for each channel or none for all, and what comes behind.
typedef struct {
    tw_requant_t requant;
    uint32_t each; // 1 or 0
    int32_t zero, act_min, act_max;
    bool bounded; // tw_help_t
} tw_outputs_t;

// Where a sum is within +-2^30 and its shift is -n < 0, the first rounding is SMMULR of twice the sum, and the second one
// (t + 2^(n-1) - (t < 0)) >> n, in which the sum's sign does for that of t. The zero point z is added before that shift:
// z * 2^n + 2^(n-1) = (2 z + 1) * 2^(n-1).
typedef struct {
    int32_t multiplier, addend, k; // n - 1
} tw_scale_t;

// Assembly: from a sum to an output that is within int8 so far. 5 cycles.
#define TW_SCALE(to, sum, multiplier, addend, k)                                                \
    "lsl " to ", " sum ", #1\n smmlar " to ", " to ", " multiplier ", " addend "\n"             \
    "add " to ", " to ", " sum ", asr #31\n asr " to ", " k "\n ssat " to ", #8, " to ", asr #1\n"

// Returns whether all this may be used.
bool tw_outputs_scale(const tw_outputs_t *o, uint32_t channel, tw_scale_t *scale);

// Takes outputs y[0..n-1] to their bounds.
void tw_outputs_limit(const tw_outputs_t *o, uint32_t n, int8_t *y);

// y[0..n-1] of one sum each of n channels from `channel` on.
void tw_outputs_row(const tw_outputs_t *o, uint32_t channel, const int32_t *sums, uint32_t n, int8_t *y);

// y[i * stride], y[i * stride + 1] of n pairs of sums, of `channel` and the next one.
void tw_outputs_pairs(const tw_outputs_t *o, uint32_t channel, const int32_t *sums, uint32_t n, int8_t *y, uint32_t stride);

#endif
