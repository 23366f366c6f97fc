// SPDX-License-Identifier: MIT
// A coded model (models/SPEC.md, Coded files) to the ordinary one that a model is opened from: piece by piece, so that
// the coded bytes are never in memory as a whole beside the others. Nothing in a file leads outside the image.
#ifndef TW_CODED_H
#define TW_CODED_H

#include <stddef.h>
#include <stdint.h>

#include "errors.h"

#define TW_CODED_VERSION 2       // of a file: what version 1 is for an ordinary one
#define TW_CODED_HEADER_BYTES 16
#define TW_CODED_AHEAD 12        // bytes of input that one token has at most
#define TW_CODE_BITS 15          // of the longest code

enum { // and those of errors.h: TRUNCATED, MAGIC, VERSION
    TW_ERR_OVERFULL = -14,  // code book has too many codes
    TW_ERR_UNDERFULL = -15, // code book lacks codes
    TW_ERR_TOO_LONG = -16,  // code of over 15 bits
    TW_ERR_SYMBOL = -17,    // symbol twice, or none such
    TW_ERR_RUN = -18,       // run impossible, or bytes left
};

// A complete canonical code; as in the file, shorter codes are smaller numbers.
typedef struct {
    uint16_t limit[TW_CODE_BITS + 1]; // by length: 15 bits of input from here on begin with a longer code
    uint16_t base[TW_CODE_BITS + 1];  // base + code is the symbol's place, modulo 2^16
    uint8_t *symbols;                 // of the structure below
    uint16_t top;                     // largest symbol that the alphabet has
    uint8_t shortest;
    uint8_t known;                    // 0: no book has come yet
} tw_book_t;

typedef struct {
    uint32_t file_bytes, image_bytes;
    uint32_t taken, made; // bytes of them
    uint32_t bits, have;  // input that has been taken: `have` bits, the next one on top
    const uint8_t *at, *end;
    int32_t step;         // what comes next; negative: an error, for good
    uint32_t form, order; // of the run
    uint32_t left;        // values
    uint32_t last[2];     // values, the latest first
    uint32_t longest, level, open, count, places, symbol; // of the book that is being read
    tw_book_t *book;
    tw_book_t books[2];   // of bytes, of classes of numbers
    uint32_t seen[8];     // symbols of the book, a bit each
    uint8_t bytes[256], classes[33];
} tw_coded_t;

// Whether bytes begin as a coded file. At least 5.
int tw_coded_is(const uint8_t *head);

// Begin. head: TW_CODED_HEADER_BYTES; len: of the whole file, or more. Returns the bytes of the image, or an error.
int32_t tw_coded_open(tw_coded_t *c, const uint8_t *head, size_t len);

// Take some of what follows the header, and write what it says to image, which is the same each time. Returns the bytes
// taken, or an error. Fewer than TW_CODED_AHEAD may be left over, to be given again with what comes after them.
int32_t tw_coded_push(tw_coded_t *c, const uint8_t *in, size_t len, uint8_t *image);

// Whether the image is whole. 0 where all of the file has been pushed says that it is not: TW_ERR_TRUNCATED.
int tw_coded_done(const tw_coded_t *c);

#endif
