// SPDX-License-Identifier: MIT
// The section table of a .twm, to change it with the rest of the file kept right. Not the core's code: it must take apart
// what the core refuses.
#include "fuzz.h"

#include "bytes.h"
#include "crc.h"

#include <string.h>

#define MAX_FILE (1u << 16)

enum { WEIGHTS = 3 };

void file_put(uint8_t *at, uint32_t width, uint32_t value) {
    for (uint32_t i = 0; i < width; ++i) {
        at[i] = (uint8_t)(value >> 8 * i);
    }
}

bool file_parse(file_t *f) {
    if (f->size < FILE_HEADER) {
        return false;
    }
    f->sections = le16(f->data + 6);
    if (f->sections == 0 || f->sections > 32 || f->size < FILE_HEADER + f->sections * FILE_RECORD) {
        return false;
    }
    for (uint32_t i = 0; i < f->sections; ++i) {
        const uint8_t *r = f->data + FILE_HEADER + i * FILE_RECORD;
        if (le32(r + 4) > f->size || le32(r + 8) > f->size - le32(r + 4)) {
            return false;
        }
    }
    return true;
}

uint8_t *file_record(const file_t *f, uint32_t section) {
    return f->data + FILE_HEADER + section * FILE_RECORD;
}

int file_find(const file_t *f, uint32_t type) {
    for (uint32_t i = 0; i < f->sections; ++i) {
        if (le16(file_record(f, i)) == type) {
            return (int)i;
        }
    }
    return -1;
}

uint8_t *file_section(const file_t *f, int section, uint32_t *bytes) {
    *bytes = section < 0 ? 0 : le32(file_record(f, (uint32_t)section) + 8);
    return section < 0 ? NULL : f->data + le32(file_record(f, (uint32_t)section) + 4);
}

void file_replace(file_t *f, int section, uint32_t at, uint32_t removed, const uint8_t *bytes, uint32_t added, size_t max) {
    static uint8_t out[MAX_FILE];
    uint32_t end = FILE_HEADER + f->sections * FILE_RECORD;
    memcpy(out, f->data, end);
    for (uint32_t i = 0; i < f->sections; ++i) {
        uint32_t old;
        const uint8_t *from = file_section(f, (int)i, &old);
        const bool here = (int)i == section;
        const uint32_t size = here ? old - removed + added : old;
        const uint32_t align = le16(file_record(f, i)) == WEIGHTS ? 16 : 4;
        const uint32_t start = (end + align - 1) & ~(align - 1);
        if (start + size > max || start + size > MAX_FILE) {
            return;
        }
        memset(out + end, 0, start - end);
        const uint32_t head = here ? at : old;
        memcpy(out + start, from, head);
        if (here) {
            memcpy(out + start + at, bytes, added);
            memcpy(out + start + at + added, from + at + removed, old - at - removed);
        }
        file_put(out + FILE_HEADER + i * FILE_RECORD + 4, 4, start);
        file_put(out + FILE_HEADER + i * FILE_RECORD + 8, 4, size);
        end = start + size;
    }
    file_put(out + 8, 4, end);
    memcpy(f->data, out, end);
    f->size = end;
}

void file_repair(uint8_t *data, size_t size) {
    if (size >= 16 && data[4] == 2) { // a coded file has its length alone
        file_put(data + 8, 4, (uint32_t)size);
        return;
    }
    const size_t start = size < FILE_HEADER ? SIZE_MAX : FILE_HEADER + FILE_RECORD * (size_t)le16(data + 6);
    if (start <= size) {
        const size_t end = le32(data + 8) < size ? le32(data + 8) : size;
        file_put(data + 20, 4, tw_crc_32(0, data + start, end > start ? end - start : 0));
        file_put(data + 28, 4, tw_crc_32(tw_crc_32(0, data, 28), data + FILE_HEADER, start - FILE_HEADER));
    }
}
