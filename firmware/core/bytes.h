// SPDX-License-Identifier: MIT
// Little-endian reads from file bytes. The caller has checked the bounds; alignment does not matter.
#ifndef TW_BYTES_H
#define TW_BYTES_H

#include <stdint.h>

static inline uint16_t le16(const uint8_t *p) {
    return (uint16_t)(p[0] | (p[1] << 8));
}

static inline uint32_t le32(const uint8_t *p) {
    return (uint32_t)p[0] | ((uint32_t)p[1] << 8) | ((uint32_t)p[2] << 16) | ((uint32_t)p[3] << 24);
}

// The same at an address that is a multiple of 2 or 4: one load where the processor is little-endian.
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
static inline uint16_t le16_aligned(const uint8_t *p) {
    uint16_t value;
    __builtin_memcpy(&value, __builtin_assume_aligned(p, 2), 2);
    return value;
}

static inline uint32_t le32_aligned(const uint8_t *p) {
    uint32_t value;
    __builtin_memcpy(&value, __builtin_assume_aligned(p, 4), 4);
    return value;
}
#else
#define le16_aligned le16
#define le32_aligned le32
#endif

#endif
