// SPDX-License-Identifier: MIT
// Mutations that know models/SPEC.md: most of a .twm is tables, and a change to one is worth little unless the rest
// still fits. Fields get values from the edges of what is allowed or from elsewhere in the file, records are added,
// copied and removed with the section table kept right, and both checksums are made right nearly always: the files that
// the fuzzer runs are those that it writes, so a crash is a file that crashes.
#include "bytes.h"
#include "fuzz.h"

#include <string.h>

enum { TENSORS = 1, OPS, WEIGHTS, IO, FRONTEND, INPUT_MAP, DETECTOR };

// Widths of the fields, in bytes, one digit a field.
static const char HEADER_FIELDS[] = "4112444444";
static const char RECORD_FIELDS[] = "2244";
static const char TENSOR_FIELDS[] = "422211211";
static const char OP_HEAD_FIELDS[] = "11222";
static const struct {
    uint32_t type;
    const char *fields;
} SECTION_FIELDS[] = { // of those that are not records, from their beginning
    {WEIGHTS, "4"},
    {IO, "2222441111222222222222"},
    {FRONTEND, "112222111111222222222222"},
    {INPUT_MAP, "44441111"},
    {DETECTOR, "1122111111111111"},
};
static const char *const OP_FIELDS[] = { // after the head; [0] is not an operator
    "", "44411111111112", "44411111111112", "4441111", "11111111", "11111111", "4112", "4", "4112", "", "21144411114",
    "2114112", "444444444444112", "2114441111"};
enum { OP_CODES = sizeof OP_FIELDS / sizeof *OP_FIELDS };

static uint32_t state;

static uint32_t random_below(uint32_t n) {
    state = state * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)(state ^ state >> 15) * n) >> 32);
}

// ---- values

static uint32_t get(const uint8_t *at, uint32_t width) {
    return width == 1 ? at[0] : width == 2 ? le16(at) : le32(at);
}

static uint32_t quantity(const file_t *f) {
    uint32_t bytes;
    const uint32_t which = random_below(6);
    if (which < 3) {
        return le32(f->data + 8 + 4 * which); // bytes of file, arena, state
    }
    file_section(f, file_find(f, which == 3 ? WEIGHTS : which == 4 ? OPS : TENSORS), &bytes);
    return which == 5 ? bytes / 16 : bytes;
}

static uint32_t value(const file_t *f, uint32_t now) {
    const uint32_t bit = 1u << random_below(32);
    switch (random_below(8)) {
        case 0:
            return random_below(4);
        case 1:
            return random_below(64);
        case 2:
            return (uint32_t)-1 - random_below(2);
        case 3:
            return bit - random_below(2);
        case 4:
            return now ^ bit;
        case 5:
            return now + random_below(9) - 4;
        case 6:
            return quantity(f) + random_below(9) - 4;
        default:
            return random_below(0xFFFFFFFF);
    }
}

static void change_field(const file_t *f, uint8_t *record, uint32_t room, const char *fields) {
    uint32_t at = 0;
    for (uint32_t n = random_below((uint32_t)strlen(fields)); n; --n) {
        at += (uint32_t)(*fields++ - '0');
    }
    const uint32_t width = (uint32_t)(*fields - '0');
    if (*fields && at + width <= room) {
        file_put(record + at, width, value(f, get(record + at, width)));
    }
}

// ---- mutations

static uint32_t op_bytes(uint8_t code) {
    uint32_t bytes = 8;
    for (const char *field = code < OP_CODES ? OP_FIELDS[code] : ""; *field; ++field) {
        bytes += (uint32_t)(*field - '0');
    }
    return bytes;
}

// A random record of OPS, or NULL.
static uint8_t *choose_op(const file_t *f) {
    uint32_t bytes, at = 0, seen = 0;
    uint8_t *ops = file_section(f, file_find(f, OPS), &bytes), *chosen = NULL;
    while (at + 8 <= bytes) {
        const uint32_t length = op_bytes(ops[at]);
        if (at + length > bytes) {
            break;
        }
        if (random_below(++seen) == 0) {
            chosen = ops + at;
        }
        at += length;
    }
    return chosen;
}

static void change_op(file_t *f) {
    uint8_t *op = choose_op(f);
    if (op && random_below(3)) {
        const uint8_t code = op[0] < OP_CODES ? op[0] : 0;
        change_field(f, op + 8, op_bytes(code) - 8, OP_FIELDS[code]);
    } else if (op) {
        change_field(f, op, 8, OP_HEAD_FIELDS);
    }
}

static void change_tensor(file_t *f) {
    uint32_t bytes;
    uint8_t *tensors = file_section(f, file_find(f, TENSORS), &bytes);
    const uint32_t count = bytes / 16;
    if (count == 0) {
        return;
    }
    uint8_t *t = tensors + 16 * random_below(count);
    const uint8_t *other = tensors + 16 * random_below(count);
    switch (random_below(4)) {
        case 0: // the same shape
            memmove(t + 4, other + 4, 6);
            break;
        case 1: // the same place in memory
            memmove(t, other, 4);
            t[11] = other[11];
            break;
        default:
            change_field(f, t, 16, TENSOR_FIELDS);
            break;
    }
}

static void change_section(file_t *f, size_t max) {
    uint32_t bytes;
    const uint32_t which = random_below(sizeof SECTION_FIELDS / sizeof *SECTION_FIELDS);
    const int section = file_find(f, SECTION_FIELDS[which].type);
    uint8_t *at = file_section(f, section, &bytes);
    if (bytes == 0) {
        return;
    }
    switch (random_below(8)) {
        case 0: // any byte: tables, names
            at[random_below(bytes)] = (uint8_t)random_below(256);
            break;
        case 1: // longer or shorter
            file_replace(f, section, bytes, 0, at, random_below(bytes < 64 ? bytes : 64), max);
            break;
        case 2:
            file_replace(f, section, random_below(bytes), 1, at, 0, max);
            break;
        default:
            change_field(f, at, bytes, SECTION_FIELDS[which].fields);
            break;
    }
}

static void add_op(file_t *f, size_t max) {
    uint8_t record[64] = {0};
    uint32_t bytes, tensors;
    const uint8_t *op = choose_op(f);
    const int section = file_find(f, OPS);
    uint8_t *ops = file_section(f, section, &bytes);
    file_section(f, file_find(f, TENSORS), &tensors);
    if (section < 0 || tensors < 16) {
        return;
    }
    const uint32_t at = op ? (uint32_t)(op - ops) : 0;
    if (op && random_below(2)) {
        memcpy(record, op, op_bytes(op[0]));
    } else {
        record[0] = (uint8_t)(1 + random_below(OP_CODES - 1));
        for (uint32_t i = 8; i < op_bytes(record[0]); ++i) {
            record[i] = (uint8_t)(random_below(3) ? 0 : random_below(4));
        }
        file_put(record + 2, 2, op_bytes(record[0]));
    }
    for (uint32_t i = 4; i <= 6; i += 2) {
        file_put(record + i, 2, random_below(3) ? random_below(tensors / 16) : le16(record + i));
    }
    file_replace(f, section, at, 0, record, op_bytes(record[0]), max);
}

static void add_tensor(file_t *f, size_t max) {
    uint8_t tensor[16];
    uint32_t bytes;
    const int section = file_find(f, TENSORS);
    const uint8_t *tensors = file_section(f, section, &bytes);
    if (bytes >= 16) {
        memcpy(tensor, tensors + 16 * random_below(bytes / 16), 16);
        file_replace(f, section, bytes / 16 * 16, 0, tensor, 16, max);
    }
}

static void remove_op(file_t *f, size_t max) {
    uint32_t bytes;
    const int section = file_find(f, OPS);
    const uint8_t *ops = file_section(f, section, &bytes), *op = choose_op(f);
    if (op) {
        file_replace(f, section, (uint32_t)(op - ops), op_bytes(op[0]), op, 0, max);
    }
}

// Heals what would stop the reader early: the header begins as it must, sections follow each other, the arena is as large
// as the tensors need, within reason, and the shapes of input and output are those of their tensors.
static void heal(file_t *f, size_t max) {
    memcpy(f->data, "TWM\x1a\1", 6);
    file_put(f->data + 24, 4, 0);
    file_replace(f, -1, 0, 0, NULL, 0, max);
    uint32_t bytes, io_bytes, arena = le32(f->data + 12);
    const uint32_t state_bytes = le32(f->data + 16);
    const uint8_t *tensors = file_section(f, file_find(f, TENSORS), &bytes);
    uint8_t *io = file_section(f, file_find(f, IO), &io_bytes);
    for (uint32_t i = 0; i < bytes / 16; ++i) {
        const uint8_t *t = tensors + 16 * i;
        const uint64_t end = (uint64_t)le16(t + 4) * le16(t + 6) * le16(t + 8) + le32(t) + state_bytes;
        if (t[11] == 0 && end > arena && end < 1 << 15) {
            arena = (uint32_t)end;
        }
    }
    file_put(f->data + 12, 4, arena);
    for (uint32_t i = 0, at = 20; io_bytes >= 20 && i < 2; at += 2u * io[18 + i++]) {
        const uint32_t rank = io[18 + i], tensor = le16(io + 2 * i);
        if (rank > 6 || at + 2 * rank > io_bytes || tensor >= bytes / 16) {
            return;
        }
        uint32_t left = 1;
        for (uint32_t d = 0; d < rank; ++d) {
            const uint32_t dim = rank - 1 - d;
            file_put(io + at + 2 * dim, 2, d < 3 ? le16(tensors + 16 * tensor + 8 - 2 * d) : 1);
        }
        for (uint32_t d = rank; d < 3; ++d) {
            left *= le16(tensors + 16 * tensor + 8 - 2 * d);
        }
        if (rank) {
            file_put(io + at, 2, left * le16(io + at));
        }
    }
}

static void mutate(file_t *f, size_t max) {
    const uint32_t choice = random_below(32);
    if (choice < 2) {
        change_field(f, f->data, FILE_HEADER, HEADER_FIELDS);
    } else if (choice < 4) {
        change_field(f, file_record(f, random_below(f->sections)), FILE_RECORD, RECORD_FIELDS);
    } else if (choice < 14) {
        change_section(f, max);
    } else if (choice < 16) {
        add_op(f, max);
    } else if (choice < 17) {
        remove_op(f, max);
    } else if (choice < 18) {
        add_tensor(f, max);
    } else if (choice < 24) {
        change_tensor(f);
    } else {
        change_op(f);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
    state = seed;
    file_t f = {data, size, 0};
    if (random_below(16) == 0 || !file_parse(&f)) {
        f.size = LLVMFuzzerMutate(data, size, max_size);
    } else {
        for (uint32_t n = 1 + random_below(4); n && file_parse(&f); --n) {
            mutate(&f, max_size);
        }
        if (file_parse(&f) && random_below(4)) {
            heal(&f, max_size);
        }
    }
    if (random_below(32)) {
        file_repair(data, f.size);
    }
    return f.size;
}
