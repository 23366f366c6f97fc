// SPDX-License-Identifier: MIT
// A compiled network, read in place from the bytes of a .twm (models/SPEC.md). Opening checks every byte that later
// code relies on and plans nothing; after it, running cannot fail.
#ifndef TW_MODEL_H
#define TW_MODEL_H

#include "errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TW_SPEC_VERSION 1
#define TW_MAGIC 0x1A4D5754u // "TWM\x1a"
#define TW_ARENA_ALIGN 4

typedef struct {
    const uint8_t *file; // caller's, 4-byte aligned, must outlive this struct
    uint32_t file_bytes;

    // Sections, inside the file; NULL where absent.
    const uint8_t *tensors;
    const uint8_t *ops;
    const uint8_t *weights;
    const uint8_t *io;
    const uint8_t *frontend;
    const uint8_t *input_map;
    const uint8_t *detector;
    uint32_t weights_bytes, ops_bytes, io_bytes, frontend_bytes, detector_bytes;
    uint16_t tensor_count, op_count;

    uint32_t arena_bytes; // what tw_model_attach wants: state first, then activations and scratch
    uint32_t state_bytes;
    uint32_t input_bytes, output_bytes;
    uint16_t frames; // front-end frames an invoke takes; 0 without a front end
    uint16_t warmup; // invokes after reset whose output does not count

    uint8_t *arena, *state; // caller's memory
    uint8_t *input, *output; // in it: written before, read after tw_model_run
} tw_model_t;

// Checks structure and header checksum of `len` bytes at `bytes`. Reads nothing beyond them.
int tw_model_open(tw_model_t *m, const void *bytes, size_t len);

// The payload's checksum: reads the whole file once.
int tw_model_verify(const tw_model_t *m);

// Gives the model its memory, at least arena_bytes, TW_ARENA_ALIGN-aligned, and resets it.
int tw_model_attach(tw_model_t *m, void *arena, size_t len);

// Streaming state as at the first invoke.
void tw_model_reset(tw_model_t *m);

// Runs operators first..last-1; 0..op_count is one invoke. Ranges may follow each other in several calls, so that a
// large network never holds the processor for long.
int tw_model_run(tw_model_t *m, uint32_t first, uint32_t last);

#endif
