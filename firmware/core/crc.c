// SPDX-License-Identifier: MIT
// Bit by bit: a table would cost RAM in every native module, and no checksum is in a hot path.
#include "crc.h"

uint32_t tw_crc_32(uint32_t crc, const uint8_t *data, size_t len) {
    crc = ~crc;
    for (size_t i = 0; i < len; ++i) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1)));
        }
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
