// SPDX-License-Identifier: MIT
// A piece of recorded audio as a line of firmware/SERIAL.md: @pcm n=NUMBER d=BASE85*CHECK.
#ifndef TW_PCMLINE_H
#define TW_PCMLINE_H

#include <stddef.h>
#include <stdint.h>

// Bytes that a line of n bytes may take, its end included: "@pcm n=", ten digits, " d=", base 85, '*', check, "\r\n".
static inline size_t tw_pcmline_size(size_t n) {
    return 27 + (n + 3) / 4 * 5;
}

// Writes the line, "\r\n" included, and returns its length.
size_t tw_pcmline_write(uint32_t number, const uint8_t *data, size_t n, uint8_t *out);

#endif
