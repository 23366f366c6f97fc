// SPDX-License-Identifier: MIT
// Bit by bit: a table would cost RAM in every native module, and no checksum is in a hot path.
#include "arch.h"
#include "crc.h"

#define POLYNOMIAL 0xEDB88320u

static inline uint32_t eight_bits(uint32_t crc) {
#if TW_ARMV6M // 6 cycles a bit: a branch is quicker than a mask here, and shorter
    uint32_t bits = 8;
    __asm__(".syntax unified\n1: lsrs %0, #1\n bcc 2f\n eors %0, %2\n2: subs %1, #1\n bne 1b\n"
            : "+l"(crc), "+l"(bits)
            : "l"(POLYNOMIAL)
            : "cc");
#else
    for (int bit = 0; bit < 8; ++bit) {
        crc = (crc >> 1) ^ (POLYNOMIAL & (0u - (crc & 1)));
    }
#endif
    return crc;
}

uint32_t tw_crc_32(uint32_t crc, const uint8_t *data, size_t len) {
    crc = ~crc;
    for (size_t i = 0; i < len; ++i) {
        crc = eight_bits(crc ^ data[i]);
    }
    return ~crc;
}

uint16_t tw_crc_16(uint16_t crc, const uint8_t *data, size_t len) {
    uint32_t c = crc;
    for (size_t i = 0; i < len; ++i) {
        c ^= (uint32_t)data[i] << 8;
        for (int bit = 0; bit < 8; ++bit) {
            c = (c << 1) ^ (0x1021u & (0u - ((c >> 15) & 1)));
        }
    }
    return (uint16_t)c;
}
