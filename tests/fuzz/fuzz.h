// SPDX-License-Identifier: MIT
// What the target, the mutator and the driver have of each other.
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// libFuzzer's names.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size); // libFuzzer's own, or driver.c's

#define FILE_HEADER 32u
#define FILE_RECORD 12u // of the section table

// A .twm that is not yet beyond help: every section lies inside it.
typedef struct {
    uint8_t *data;
    size_t size;
    uint32_t sections;
} file_t;

// Sets `sections`; false where there is no sound section table.
bool file_parse(file_t *f);

// A section's record in the table.
uint8_t *file_record(const file_t *f, uint32_t section);

// The section of a type, or -1.
int file_find(const file_t *f, uint32_t type);

// A section's bytes; NULL and 0 for section -1.
uint8_t *file_section(const file_t *f, int section, uint32_t *bytes);

// Replaces `removed` bytes at `at` of a section by `added` ones, and lays the sections out anew; section -1 does no more
// than that. Where the file would have more than `max` bytes, nothing happens.
void file_replace(file_t *f, int section, uint32_t at, uint32_t removed, const uint8_t *bytes, uint32_t added, size_t max);

// Little-endian, 1 to 4 bytes.
void file_put(uint8_t *at, uint32_t width, uint32_t value);

// Makes both checksums right, as far as the file is long enough to have them; of a coded file, its length.
void file_repair(uint8_t *data, size_t size);

#endif
