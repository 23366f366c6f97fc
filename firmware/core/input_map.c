// SPDX-License-Identifier: MIT
#include "input_map.h"

#include "bytes.h"

#define MAX_OFFSET (1 << 16)
#define MAX_QUOTIENT (1u << 24) // far outside int8, so clamping to it changes nothing

int tw_input_map_check(const uint8_t *section) {
    tw_input_map_t map;
    tw_input_map_open(&map, section);
    // The largest feature must not overflow.
    const int valid = map.multiply <= (UINT32_MAX - map.add) / UINT16_MAX && map.divide != 0 && map.shift <= 31 && map.low <= map.high &&
                      map.offset >= -MAX_OFFSET && map.offset <= MAX_OFFSET && section[19] == 0;
    return valid ? TW_OK : TW_ERR_FRONTEND;
}

void tw_input_map_open(tw_input_map_t *map, const uint8_t *section) {
    map->multiply = le32_aligned(section);
    map->add = le32_aligned(section + 4);
    map->divide = le32_aligned(section + 8);
    map->offset = (int32_t)le32_aligned(section + 12);
    map->shift = section[16];
    map->low = (int8_t)section[17];
    map->high = (int8_t)section[18];
}

void tw_input_map_apply(const tw_input_map_t *map, const uint16_t *features, size_t count, int8_t *y) {
    for (size_t i = 0; i < count; ++i) {
        uint32_t q = ((features[i] * map->multiply + map->add) >> map->shift) / map->divide;
        q = q > MAX_QUOTIENT ? MAX_QUOTIENT : q;
        const int32_t value = (int32_t)q + map->offset;
        y[i] = (int8_t)(value < map->low ? map->low : value > map->high ? map->high : value);
    }
}
