// SPDX-License-Identifier: MIT
// Base 85: four bytes, the first one highest, are five digits; of a last group of k bytes, as if zeros followed, the
// first k + 1. The digits are the printable characters that a field's value takes as they are (SERIAL.md, "A line"),
// less the four that quote.
#include "pcmline.h"

#include <string.h>

#include "crc.h"

static const uint8_t digits[] =
    "!#$&()+,-./0123456789:;<>?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}";
static const uint8_t hex[] = "0123456789abcdef";

static uint8_t *base85(const uint8_t *data, size_t n, uint8_t *out) {
    while (n) {
        const size_t count = n < 4 ? n : 4;
        uint32_t value = 0;
        for (size_t i = 0; i < 4; ++i) {
            value = value << 8 | (i < count ? data[i] : 0);
        }
        for (size_t i = 5; i-- > 0;) {
            const uint32_t rest = value / 85;
            if (i <= count) {
                out[i] = digits[value - 85 * rest];
            }
            value = rest;
        }
        data += count;
        out += count + 1;
        n -= count;
    }
    return out;
}

static uint8_t *decimal(uint32_t number, uint8_t *out) {
    uint8_t *end = out + 1;
    for (uint32_t rest = number / 10; rest; rest /= 10) {
        ++end;
    }
    for (uint8_t *at = end; at > out; number /= 10) {
        *--at = (uint8_t)('0' + number % 10);
    }
    return end;
}

size_t tw_pcmline_write(uint32_t number, const uint8_t *data, size_t n, uint8_t *out) {
    uint8_t *at = out;
    memcpy(at, "@pcm n=", 7);
    at = decimal(number, at + 7);
    memcpy(at, " d=", 3);
    at = base85(data, n, at + 3);
    uint32_t check = tw_crc_16(0xFFFF, out, (size_t)(at - out));
    *at++ = '*';
    for (int i = 0; i < 4; ++i, check <<= 4) {
        *at++ = hex[check >> 12 & 15];
    }
    *at++ = '\r';
    *at++ = '\n';
    return (size_t)(at - out);
}
