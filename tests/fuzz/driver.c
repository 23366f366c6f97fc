// SPDX-License-Identifier: MIT
// Runs the fuzzer's target where there is no libFuzzer, and exhaustively where chance is not enough.
//   driver FILE...             each file once
//   driver every FILE...       each file cut off at every length, and every byte changed to every value with the
//                              checksums right (in files over 512 bytes: each bit changed, and all of them)
//   driver random RUNS FILE... so many mutations of the files, the same ones each time
// The input at which a sanitizer or a check stops it is left in ./crash.twm. Prints how many inputs it ran.
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE (1u << 16)

void __sanitizer_set_death_callback(void (*callback)(void));

static uint8_t input[MAX_FILE];
static size_t input_size;
static unsigned long runs;

static void save(void) {
    FILE *file = fopen("crash.twm", "wb");
    if (file) {
        fwrite(input, 1, input_size, file);
        fclose(file);
    }
}

static void run(size_t size) {
    input_size = size;
    LLVMFuzzerTestOneInput(input, size);
    runs++;
}

// Stands in for libFuzzer's: some bytes become others.
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) {
    (void)max_size;
    for (int i = 0; size && i < 3; ++i) {
        data[(size_t)rand() % size] = (uint8_t)rand();
    }
    return size ? size - (size_t)(rand() % 8 == 0) : 0;
}

static void run_every(const uint8_t *file, size_t size) {
    memcpy(input, file, size);
    for (size_t length = 0; length < size; ++length) {
        run(length);
    }
    for (size_t at = 0; at < size; ++at) {
        for (unsigned flip = 1; flip < 256; ++flip) {
            if (size > 512 && (flip & (flip - 1)) && flip != 255) {
                continue;
            }
            memcpy(input, file, size);
            input[at] ^= (uint8_t)flip;
            file_repair(input, size);
            run(size);
        }
    }
}

int main(int argc, char **argv) {
    __sanitizer_set_death_callback(save);
    const int every = argc > 1 && strcmp(argv[1], "every") == 0;
    const int random = argc > 2 && strcmp(argv[1], "random") == 0;
    const int first = 1 + every + 2 * random;
    for (int i = first; i < argc; ++i) {
        static uint8_t file[MAX_FILE];
        FILE *stream = fopen(argv[i], "rb");
        if (!stream) {
            perror(argv[i]);
            return 2;
        }
        const size_t size = fread(file, 1, sizeof file, stream);
        fclose(stream);
        if (every) {
            run_every(file, size);
            continue;
        }
        memcpy(input, file, size);
        run(size);
        // Mutations of mutations, from the file anew every 4.
        const unsigned long share = random ? strtoul(argv[2], NULL, 10) / (unsigned long)(argc - first) : 0;
        size_t now = size;
        for (unsigned long n = 0; n < share; ++n) {
            if (n % 4 == 0) {
                memcpy(input, file, size);
                now = size;
            }
            now = LLVMFuzzerCustomMutator(input, now, MAX_FILE, (unsigned)n);
            run(now);
        }
    }
    printf("%lu inputs\n", runs);
    return 0;
}
