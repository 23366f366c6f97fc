// SPDX-License-Identifier: MIT
// Canonical Huffman codes of bytes, and of the classes of numbers, bit by bit but a symbol at a time.
#include "coded.h"

#include "bytes.h"

#include <string.h>

#define MOST_BYTES (1u << 24) // of a file and of an image
#define PADDING 7             // bits at most behind the last run

enum { // steps
    RUN,
    LEVELS, // of a book: how many
    LEVEL,
    SYMBOL,
    VALUES,
    DONE,
};

enum { // forms of runs
    RAW,
    BYTES,
    NUMBERS_16,
    NUMBERS_32,
};

int tw_coded_is(const uint8_t *head) {
    return le32(head) == 0x1A4D5754u && head[4] == TW_CODED_VERSION;
}

int32_t tw_coded_open(tw_coded_t *c, const uint8_t *head, size_t len) {
    memset(c, 0, sizeof *c);
    if (len < TW_CODED_HEADER_BYTES) {
        return TW_ERR_TRUNCATED;
    }
    if (le32(head) != 0x1A4D5754u) {
        return TW_ERR_MAGIC;
    }
    if (head[4] != TW_CODED_VERSION || head[5] || le16(head + 6)) {
        return TW_ERR_VERSION;
    }
    c->file_bytes = le32(head + 8);
    c->image_bytes = le32(head + 12);
    if (c->file_bytes > MOST_BYTES || c->image_bytes > MOST_BYTES || !c->image_bytes) {
        return TW_ERR_RUN;
    }
    if (len < c->file_bytes || c->file_bytes < TW_CODED_HEADER_BYTES) {
        return TW_ERR_TRUNCATED;
    }
    c->taken = TW_CODED_HEADER_BYTES;
    c->books[0].symbols = c->bytes;
    c->books[0].top = 255;
    c->books[1].symbols = c->classes;
    c->books[1].top = 32;
    return (int32_t)c->image_bytes;
}

int tw_coded_done(const tw_coded_t *c) {
    return c->step == DONE;
}

// At least 25 bits; behind the file's end come zeros, which finish() finds.
static void fill(tw_coded_t *c) {
    while (c->have <= 24) {
        if (c->at < c->end) {
            c->bits |= (uint32_t)*c->at++ << (24 - c->have);
        }
        c->taken++;
        c->have += 8;
    }
}

static void drop(tw_coded_t *c, uint32_t count) {
    c->bits <<= count;
    c->have -= count;
}

// 0 to 16 bits.
static uint32_t few(tw_coded_t *c, uint32_t count) {
    fill(c);
    const uint32_t value = c->bits >> 16 >> (16 - count);
    drop(c, count);
    return value;
}

// 0 to 32 bits.
static uint32_t many(tw_coded_t *c, uint32_t count) {
    uint32_t value = 0;
    if (count > 16) {
        value = few(c, count - 16) << 16;
        count = 16;
    }
    return value | few(c, count);
}

// Elias's gamma code: 1 to 2^25 - 1; 0: longer than any that is meant.
static uint32_t elias(tw_coded_t *c) {
    uint32_t zeros = 0;
    while (!few(c, 1)) {
        if (++zeros > 24) {
            return 0;
        }
    }
    return 1u << zeros | many(c, zeros);
}

static int32_t read_run(tw_coded_t *c) {
    if (c->made == c->image_bytes) {
        // Of what has been taken, bits that lie in the file.
        const uint32_t behind = c->taken > c->file_bytes ? 8 * (c->taken - c->file_bytes) : 0;
        const uint32_t real = c->have - behind;
        const int clean = c->taken >= c->file_bytes && real <= PADDING && !(c->bits >> 24);
        return clean ? DONE : TW_ERR_RUN;
    }
    c->form = few(c, 2);
    c->book = &c->books[c->form > BYTES];
    int same = 1;
    c->order = 0;
    if (c->form != RAW) {
        same = (int)few(c, 1);
        c->order = few(c, 2);
    }
    c->left = elias(c);
    c->last[0] = c->last[1] = 0;
    const uint32_t shift = c->form > BYTES ? c->form - 1 : 0;
    if (!c->left || c->order > 2 || c->left > (c->image_bytes - c->made) >> shift || (c->form && same && !c->book->known)) {
        return TW_ERR_RUN;
    }
    return same ? VALUES : LEVELS;
}

static int32_t begin_level(tw_coded_t *c, uint32_t count) {
    tw_book_t *book = c->book;
    if (count > c->open) {
        return TW_ERR_OVERFULL;
    }
    const uint32_t first = (1u << c->level) - c->open;
    book->base[c->level] = (uint16_t)(c->places - first);
    book->limit[c->level] = (uint16_t)((first + count) << (TW_CODE_BITS - c->level));
    if (count && !c->places) {
        book->shortest = (uint8_t)c->level;
    }
    c->count = count;
    c->symbol = 0;
    return SYMBOL;
}

static int32_t read_levels(tw_coded_t *c) {
    c->longest = elias(c) - 1;
    if (c->longest > TW_CODE_BITS) {
        return TW_ERR_TOO_LONG;
    }
    memset(c->seen, 0, sizeof c->seen);
    c->book->known = 0;
    c->level = c->places = 0;
    c->open = 1;
    return begin_level(c, !c->longest); // the one symbol of a code of length 0
}

// The next symbol of a level; or, where it has all, the next level.
static int32_t read_symbol(tw_coded_t *c) {
    tw_book_t *book = c->book;
    if (c->count) {
        const uint32_t gap = elias(c);
        c->symbol += gap; // one more than the symbol
        const uint32_t symbol = c->symbol - 1;
        if (!gap || symbol > book->top || c->seen[symbol / 32] >> symbol % 32 & 1) {
            return TW_ERR_SYMBOL;
        }
        c->seen[symbol / 32] |= 1u << symbol % 32;
        book->symbols[c->places++] = (uint8_t)symbol;
        c->count--;
        c->open--;
        return SYMBOL;
    }
    if (c->level < c->longest) {
        c->level++;
        c->open *= 2;
        return LEVEL;
    }
    if (c->open) {
        return TW_ERR_UNDERFULL;
    }
    book->known = 1;
    return VALUES;
}

static uint32_t next_symbol(tw_coded_t *c) {
    const tw_book_t *book = c->book;
    fill(c);
    const uint32_t ahead = c->bits >> (32 - TW_CODE_BITS);
    uint32_t length = book->shortest;
    while (ahead >= book->limit[length]) {
        length++; // ends: the longest codes' limit is 2^15
    }
    drop(c, length);
    return book->symbols[(uint16_t)(book->base[length] + (ahead >> (TW_CODE_BITS - length)))];
}

// A number of a class: one of `class` bits, and of either sign.
static uint32_t number(tw_coded_t *c, uint32_t class) {
    const uint32_t value = many(c, class);
    const uint32_t half = class ? 1u << (class - 1) : 0;
    return value < half ? value - (half + half - 1) : value;
}

static int32_t read_value(tw_coded_t *c, uint8_t *image) {
    uint32_t value = c->form == RAW ? few(c, 8) : next_symbol(c);
    uint32_t width = 1;
    if (c->form > BYTES) {
        width = c->form == NUMBERS_16 ? 2 : 4;
        if (value > 8 * width) {
            return TW_ERR_SYMBOL;
        }
        value = number(c, value);
    }
    if (c->order) {
        value += c->order == 1 ? c->last[0] : 2 * c->last[0] - c->last[1];
        c->last[1] = c->last[0];
        c->last[0] = value;
    }
    for (uint8_t *to = image + c->made; width; --width) {
        *to++ = (uint8_t)value;
        value >>= 8;
        c->made++;
    }
    return --c->left ? VALUES : RUN;
}

static int32_t next(tw_coded_t *c, uint8_t *image) {
    switch (c->step) {
    case RUN:
        return read_run(c);
    case LEVELS:
        return read_levels(c);
    case LEVEL:
        return begin_level(c, elias(c) - 1);
    case SYMBOL:
        return read_symbol(c);
    default:
        return read_value(c, image);
    }
}

int32_t tw_coded_push(tw_coded_t *c, const uint8_t *in, size_t len, uint8_t *image) {
    const uint32_t rest = c->taken < c->file_bytes ? c->file_bytes - c->taken : 0;
    const int final = len >= rest;
    c->at = in;
    c->end = in + (final ? rest : len);
    while (c->step >= 0 && c->step != DONE && (final || c->end - c->at >= TW_CODED_AHEAD)) {
        c->step = next(c, image);
        // Bits that the file does not have were taken for a token.
        if (c->taken > c->file_bytes && c->have < 8 * (c->taken - c->file_bytes)) {
            c->step = TW_ERR_TRUNCATED;
        }
    }
    return c->step < 0 ? c->step : (int32_t)(c->at - in);
}
