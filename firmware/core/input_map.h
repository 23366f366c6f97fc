// SPDX-License-Identifier: MIT
// From a feature (uint16) to a network input (int8), integers only: models/SPEC.md, INPUT_MAP.
#ifndef TW_INPUT_MAP_H
#define TW_INPUT_MAP_H

#include "errors.h"

#include <stddef.h>
#include <stdint.h>

#define TW_INPUT_MAP_BYTES 20

// y = clamp(((u * multiply + add) >> shift) / divide + offset, low, high)
typedef struct {
    uint32_t multiply, add, divide;
    int32_t offset;
    uint8_t shift;
    int8_t low, high;
} tw_input_map_t;

// 0, or TW_ERR_FRONTEND where a feature could overflow the arithmetic. The section has TW_INPUT_MAP_BYTES.
int tw_input_map_check(const uint8_t *section);

void tw_input_map_open(tw_input_map_t *map, const uint8_t *section);
void tw_input_map_apply(const tw_input_map_t *map, const uint16_t *features, size_t count, int8_t *y);

#endif
