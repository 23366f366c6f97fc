// SPDX-License-Identifier: MIT
// The two checksums of the project: CRC-32 (IEEE 802.3) in model files, CRC-16/CCITT-FALSE on the serial line.
#ifndef TW_CRC_H
#define TW_CRC_H

#include <stddef.h>
#include <stdint.h>

// CRC-32 of zlib: polynomial 0xEDB88320 reflected, initial and final value 0xFFFFFFFF. Start with crc = 0; chains.
uint32_t tw_crc_32(uint32_t crc, const uint8_t *data, size_t len);

// Polynomial 0x1021, initial value 0xFFFF, nothing reflected, no final value. Start with crc = 0xFFFF; chains.
uint16_t tw_crc_16(uint16_t crc, const uint8_t *data, size_t len);

#endif
