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

// What makes outputs of sums: their multipliers and shifts, and what comes behind.
typedef struct {
    tw_requant_t requant;
    int32_t zero, act_min, act_max;
    bool bounded; // tw_help_t
} tw_outputs_t;

// n sums of one channel, `pitch` words apart, become bytes `stride` apart.
void tw_outputs_column(const tw_outputs_t *o, uint32_t channel, const int32_t *sums, uint32_t pitch, uint32_t n, int8_t *y,
    uint32_t stride);

// One sum each of n channels from the first on; `each`: 1, or 0 where all have the first one's multiplier and shift.
void tw_outputs_row(const tw_outputs_t *o, uint32_t channel, uint32_t each, const int32_t *sums, uint32_t n, int8_t *y);

#endif
