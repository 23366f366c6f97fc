// SPDX-License-Identifier: MIT
// in_place FILE: maps a .twm read-only, opens it where it lies and runs it once on zeros, with every allocator of the C
// library counted. Prints what test_hostile.py wants to know, name=value, and the output in hexadecimal.
#include "model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static volatile int allocations;

void *malloc(size_t n) {
    allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
    allocations++;
    return __libc_realloc(p, n);
}

static uint32_t arena[1 << 12]; // and nothing else to keep a copy in
static tw_model_t m;

// Kilobytes of the mapping that `field` of /proc/self/smaps counts, or -1.
static long smaps(const void *address, const char *field) {
    char line[256], start[32];
    long kilobytes = -1;
    int here = 0;
    FILE *file = fopen("/proc/self/smaps", "r");
    snprintf(start, sizeof start, "%lx-", (unsigned long)(uintptr_t)address);
    while (file && fgets(line, sizeof line, file)) {
        if (strchr(line, '-') && strspn(line, "0123456789abcdef-") > 8) {
            here = strncmp(line, start, strlen(start)) == 0;
        } else if (here && strncmp(line, field, strlen(field)) == 0) {
            sscanf(line + strlen(field), ": %ld", &kilobytes);
        }
    }
    if (file) {
        fclose(file);
    }
    return kilobytes;
}

int main(int argc, char **argv) {
    struct stat status;
    const int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (fd < 0 || fstat(fd, &status)) {
        return 2;
    }
    const size_t size = (size_t)status.st_size;
    const uint8_t *file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0); // a write to it ends the program
    if (file == MAP_FAILED) {
        return 2;
    }
    void *const first = malloc(1); // the counting works
    const int counted = allocations == 1;
    free(first);
    allocations = 0;
    int error = tw_model_open(&m, file, size);
    error = error ? error : tw_model_verify(&m);
    error = error ? error : tw_model_attach(&m, arena, sizeof arena);
    error = error ? error : tw_model_run(&m, 0, m.op_count);
    const int made = allocations;
    printf("error=%d\ncounted=%d\nallocations=%d\n", error, counted, made);
    const uint8_t *const sections[] = {m.tensors, m.ops, m.weights, m.io};
    int inside = 0;
    for (int i = 0; i < 4; ++i) {
        inside += sections[i] > file && sections[i] <= file + size;
    }
    printf("inside=%d\nweights=%u\nmemory=%zu\n", inside, (unsigned)m.weights_bytes, sizeof m + m.arena_bytes);
    printf("copied=%ld\nread=%ld\noutput=", smaps(file, "Anonymous"), smaps(file, "Rss"));
    for (uint32_t i = 0; i < m.output_bytes; ++i) {
        printf("%02x", m.output[i]);
    }
    printf("\n");
    return 0;
}
