// SPDX-License-Identifier: MIT
// Runs the front end for test_frontend.py, which builds it with the address and undefined-behaviour sanitizers.
//   frontend_driver SECTION run CHUNK [RESET_AT]  int16 samples on stdin -> uint16 features on stdout. Pushes CHUNK
//                                                 samples at a time; RESET_AT samples are pushed before, then reset.
//   frontend_driver SECTION truncate              checks every shorter length; prints how many were refused
//   frontend_driver SECTION mutate FRAMES         changes every byte to every value and pushes full-scale noise through
//                                                 what the check accepts; prints accepted and refused
//   frontend_driver SECTION sizeof                prints sizeof(tw_frontend_t)
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "frontend.h"

static int16_t pcm[1 << 22];

// Pushes n samples, at most chunk at a time, and writes the frames to out where there is one. Returns their number.
static size_t push_all(tw_frontend_t *fe, const int16_t *samples, size_t n, size_t chunk, FILE *out) {
    size_t frames = 0;
    for (size_t at = 0; at < n;) {
        const uint16_t *frame;
        const size_t part = n - at < chunk ? n - at : chunk;
        const size_t taken = tw_frontend_push(fe, samples + at, part, &frame);
        if (taken == 0 || taken > part || (taken < part && !frame)) {
            fprintf(stderr, "push took %zu of %zu\n", taken, part);
            exit(1);
        }
        at += taken;
        if (frame) {
            frames++;
            if (out) {
                fwrite(frame, sizeof *frame, fe->channels, out);
            }
        }
    }
    return frames;
}

// An allocation of exactly len bytes, so that the sanitizer sees a read past the section's end.
static uint8_t *exact_copy(const uint8_t *bytes, size_t len) {
    uint8_t *copy = malloc(len ? len : 1);
    if (!copy) {
        abort();
    }
    memcpy(copy, bytes, len);
    return copy;
}

static int run(const uint8_t *section, size_t len, size_t chunk, size_t reset_at) {
    const int error = tw_frontend_check(section, len);
    if (error) {
        printf("%d\n", error);
        return 2;
    }
    const size_t n = fread(pcm, sizeof *pcm, sizeof pcm / sizeof *pcm, stdin);
    tw_frontend_t *fe = malloc(sizeof *fe);
    if (!fe) {
        abort();
    }
    memset(fe, 0xA5, sizeof *fe); // open must not depend on what was there
    tw_frontend_open(fe, section);
    const uint16_t *frame = pcm[0] ? (const uint16_t *)pcm : NULL;
    if (tw_frontend_push(fe, NULL, 0, &frame) != 0 || frame) {
        return 1;
    }
    if (reset_at) {
        push_all(fe, pcm, reset_at < n ? reset_at : n, chunk, NULL);
        tw_frontend_reset(fe);
    }
    push_all(fe, pcm, n, chunk, stdout);
    free(fe);
    return 0;
}

static int truncate_all(const uint8_t *section, size_t len) {
    size_t refused = 0;
    for (size_t n = 0; n < len; n++) {
        uint8_t *part = exact_copy(section, n);
        refused += tw_frontend_check(part, n) == TW_ERR_TRUNCATED;
        free(part);
    }
    uint8_t *longer = calloc(1, len + 4);
    if (!longer) {
        abort();
    }
    memcpy(longer, section, len);
    refused += tw_frontend_check(longer, len + 4) == TW_ERR_FRONTEND;
    free(longer);
    printf("%zu\n", refused);
    return 0;
}

static int mutate_all(const uint8_t *section, size_t len, size_t frames) {
    size_t accepted = 0, refused = 0;
    uint32_t random = 1;
    uint8_t *copy = exact_copy(section, len);
    for (size_t at = 0; at < len; at++) {
        for (unsigned change = 1; change < 256; change++) {
            copy[at] = (uint8_t)(section[at] ^ change);
            if (tw_frontend_check(copy, len)) {
                refused++;
            } else {
                tw_frontend_t fe;
                tw_frontend_open(&fe, copy);
                const size_t n = fe.window + (frames - 1) * fe.hop;
                for (size_t i = 0; i < n; i++) {
                    random = random * 1664525 + 1013904223;
                    pcm[i] = (int16_t)(random >> 16);
                }
                accepted += push_all(&fe, pcm, n, n, NULL) == frames;
            }
        }
        copy[at] = section[at];
    }
    free(copy);
    printf("%zu %zu\n", accepted, refused);
    return 0;
}

int main(int argc, char **argv) {
    static uint8_t file[1 << 16];
    FILE *f = argc > 2 ? fopen(argv[1], "rb") : NULL;
    if (!f) {
        return 1;
    }
    const size_t len = fread(file, 1, sizeof file, f);
    fclose(f);
    uint8_t *section = exact_copy(file, len);

    int result = 1;
    if (!strcmp(argv[2], "run") && argc > 3) {
        result = run(section, len, strtoul(argv[3], NULL, 10), argc > 4 ? strtoul(argv[4], NULL, 10) : 0);
    } else if (!strcmp(argv[2], "truncate")) {
        result = truncate_all(section, len);
    } else if (!strcmp(argv[2], "mutate") && argc > 3) {
        result = mutate_all(section, len, strtoul(argv[3], NULL, 10));
    } else if (!strcmp(argv[2], "sizeof")) {
        printf("%zu\n", sizeof(tw_frontend_t));
        result = 0;
    }
    free(section);
    return result;
}
