// SPDX-License-Identifier: MIT
// Results of the core: 0 is success, positive is a count, negative is one of these.
#ifndef TW_ERRORS_H
#define TW_ERRORS_H

enum {
    TW_OK = 0,
    TW_ERR_TRUNCATED = -1, // file ends inside a record
    TW_ERR_MAGIC = -2,     // not a model file
    TW_ERR_VERSION = -3,   // format newer than this reader
    TW_ERR_CRC = -4,       // bytes differ from their checksum
    TW_ERR_ALIGN = -5,     // base address not 4-byte aligned
    TW_ERR_SECTION = -6,   // section missing, doubled or unknown
    TW_ERR_TENSOR = -7,    // tensor outside its memory
    TW_ERR_OP = -8,        // operator unknown or inconsistent
    TW_ERR_FRONTEND = -9,  // front end cannot be reproduced
    TW_ERR_DETECTOR = -10, // labels or detector values impossible
    TW_ERR_ARENA = -11,    // arena too small or misaligned
    TW_ERR_RANGE = -12,    // argument outside its range
    TW_ERR_STATE = -13,    // network's state reaches back endlessly
};

#endif
