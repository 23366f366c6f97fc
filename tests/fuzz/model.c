// SPDX-License-Identifier: MIT
// A .twm of any bytes through the whole life of a model: open, verify, attach, run, listen. The file and all memory that
// the core is given stand in blocks of exactly their size, so that the sanitizers see every access outside. What they do
// not see, because tensors share one arena, is checked here: an operator writes its output and nothing else, what it
// writes depends on its inputs and nothing else, and the file is never written.
#include "bytes.h"
#include "coded.h"
#include "decode.h"
#include "fuzz.h"
#include "listener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX (1u << 18)   // larger ones are opened but not run
#define COMPARED_MAX (1u << 12) // arenas up to here are looked at before and after every operator
#define WORK_MAX 3e5           // multiplications or copies of one input file, about 5 ms
#define FRAMES_MAX 12
#define IMAGE_MAX (1u << 20) // of coded files

#define CHECK(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))

static void fail(const char *condition, int line) {
    fprintf(stderr, "tests/fuzz/model.c:%d: not so: %s\n", line, condition);
    abort();
}

static void *block(size_t bytes, uint8_t value) {
    void *p = malloc(bytes ? bytes : 1);
    CHECK(p);
    return memset(p, value, bytes);
}

// ---- operators

// What an operator does at most. As double, because a file can ask for 2^96 copies.
static double work_of(const tw_model_t *m, const uint8_t *r) {
    tw_tensor_t in, out;
    tw_decode_tensor(m, le16(r + 4), &in);
    tw_decode_tensor(m, le16(r + 6), &out);
    const double in_count = tw_tensor_count(&in), out_count = tw_tensor_count(&out);
    switch (r[0]) {
        case 1: // CONV_2D
            return out_count * r[20] * r[21] * in.c;
        case 2: // DEPTHWISE_CONV_2D
            return out_count * r[20] * r[21];
        case 3: // FULLY_CONNECTED: depth is a row of the input
            return out_count * (in_count / out.h / out.w);
        case 4: // AVERAGE_POOL_2D, MAX_POOL_2D
        case 5:
            return out_count * r[8] * r[9];
        case 8: // SOFTMAX: two exponentials
            return in_count * 20;
        case 12: // COPY
            return (double)le32(r + 16) * le32(r + 20) * le32(r + 24) * le32(r + 28) + out_count;
        case 13: // FULLY_CONNECTED_PART: its sums are four bytes each
            return out_count * in_count;
        default:
            return in_count + out_count;
    }
}

typedef struct {
    size_t start, end; // in the arena, state first
} range_t;

static range_t range_of(const tw_model_t *m, uint16_t index) {
    tw_tensor_t t;
    tw_decode_tensor(m, index, &t);
    if (t.place == TW_PLACE_WEIGHTS) {
        return (range_t){0, 0};
    }
    const size_t start = (size_t)(tw_decode_address(m, &t) - m->state);
    const range_t range = {start, start + tw_tensor_count(&t)};
    CHECK(range.end <= m->arena_bytes);
    return range;
}

static void run_and_compare(tw_model_t *m, uint32_t i, const uint8_t *r) {
    static uint8_t before[COMPARED_MAX], after[COMPARED_MAX];
    const size_t size = m->arena_bytes;
    const bool two = r[0] == 10 || r[0] == 11 || r[0] == 13; // ADD, MUL, FULLY_CONNECTED_PART
    const range_t out = range_of(m, le16(r + 6));
    const range_t touched[3] = {out, range_of(m, le16(r + 4)), two ? range_of(m, le16(r + 8)) : out};
    memcpy(before, m->state, size);
    CHECK(tw_model_run(m, i, i + 1) == TW_OK);
    memcpy(after, m->state, size);
    CHECK(memcmp(before, after, out.start) == 0 && memcmp(before + out.end, after + out.end, size - out.end) == 0);
    // Once more, with everything that is not its business inverted.
    for (size_t at = 0; at < size; ++at) {
        m->state[at] = (uint8_t)~before[at];
    }
    for (int t = 0; t < 3; ++t) {
        memcpy(m->state + touched[t].start, before + touched[t].start, touched[t].end - touched[t].start);
    }
    CHECK(tw_model_run(m, i, i + 1) == TW_OK);
    CHECK(memcmp(m->state + out.start, after + out.start, out.end - out.start) == 0);
    memcpy(m->state, after, size);
}

// Operators until the work is done. Returns whether that were all of them.
static bool run_operators(tw_model_t *m, double *work) {
    const uint8_t *record = m->ops;
    for (uint32_t i = 0; i < m->op_count; ++i, record += le16(record + 2)) {
        *work -= work_of(m, record) + 100;
        if (*work < 0) {
            return false;
        }
        if (m->arena_bytes <= COMPARED_MAX) {
            run_and_compare(m, i, record);
        } else {
            CHECK(tw_model_run(m, i, i + 1) == TW_OK);
        }
    }
    return true;
}

// ---- listening

static uint32_t next(uint32_t *random) {
    return *random = *random * 1664525 + 1013904223;
}

// Extremes, or noise of any level.
static void make_sound(int16_t *pcm, size_t n, uint32_t *random) {
    const uint32_t kind = next(random) >> 28;
    for (size_t i = 0; i < n; ++i) {
        const int16_t noise = (int16_t)(next(random) >> 16);
        pcm[i] = (int16_t)(kind == 0 ? INT16_MIN : kind == 1 ? (i & 1 ? INT16_MAX : INT16_MIN) : noise >> kind);
    }
}

static void listen(tw_model_t *m, double work_an_invoke, double work) {
    tw_listener_t *l = block(sizeof *l, 0xA5);
    CHECK(tw_listener_open(l, m) == TW_OK);
    void *memory = block(l->detector.memory_bytes, 0xA5);
    tw_listener_attach(l, memory);
    uint32_t random = le32(m->file + 20); // the payload's checksum
    const size_t n = (size_t)l->frontend.window + FRAMES_MAX * (size_t)l->frontend.hop;
    int16_t *pcm = block(n * sizeof *pcm, 0);
    make_sound(pcm, n, &random);
    for (size_t at = 0; at < n;) {
        const size_t room = next(&random) >> 22, part = room < n - at ? room : n - at;
        const size_t taken = tw_listener_push(l, pcm + at, part);
        CHECK(taken <= part && (taken == part || l->due));
        at += taken;
        if (l->due) {
            work -= work_an_invoke;
            CHECK(work < 0 || tw_model_run(m, 0, m->op_count) == TW_OK);
            const int event = tw_listener_settle(l);
            CHECK(event >= -1 && event < l->detector.labels && !l->due);
        }
    }
    uint32_t letters = 0;
    for (uint32_t i = 0; i < l->detector.labels; ++i) {
        size_t len;
        const uint8_t *name = tw_detector_name(&l->detector, i, &len);
        for (size_t at = 0; at < len; ++at) {
            letters += name[at];
        }
        letters += tw_detector_mean(&l->detector, i) + tw_detector_wake(&l->detector, i);
    }
    CHECK(letters <= TW_DETECTOR_MAX_LABELS * 256 * 256);
    tw_listener_reset(l);
    free(pcm);
    free(memory);
    free(l);
}

// ---- a model's life

static void run(tw_model_t *m) {
    if (m->arena_bytes > ARENA_MAX) {
        return;
    }
    uint8_t *arena = block(m->arena_bytes, 0xA5);
    CHECK(tw_model_run(m, 0, 0) == TW_ERR_ARENA);
    CHECK(tw_model_attach(m, arena, m->arena_bytes - 1) == TW_ERR_ARENA);
    CHECK(tw_model_attach(m, arena, m->arena_bytes) == TW_OK);
    CHECK(m->input >= arena && m->input_bytes <= m->arena_bytes - (size_t)(m->input - arena));
    CHECK(m->output >= arena && m->output_bytes <= m->arena_bytes - (size_t)(m->output - arena));
    CHECK(tw_model_run(m, 0, m->op_count + 1u) == TW_ERR_RANGE && tw_model_run(m, 1, 0) == TW_ERR_RANGE);
    uint32_t random = le32(m->file + 20);
    for (uint32_t i = 0; i < m->input_bytes; ++i) {
        m->input[i] = (uint8_t)(next(&random) >> 24);
    }
    double work = WORK_MAX;
    const bool whole = run_operators(m, &work);
    tw_model_reset(m);
    if (m->frontend && whole) {
        listen(m, WORK_MAX - work, work);
    }
    free(arena);
}

static void live(const uint8_t *file, size_t size) {
    tw_model_t *m = block(sizeof *m, 0xA5);
    const int err = tw_model_open(m, file, size);
    CHECK(err <= TW_OK && err >= TW_ERR_ARENA && err != TW_ERR_ALIGN);
    if (err == TW_OK) {
        (void)tw_model_verify(m); // a file whose payload differs opens and must run safely all the same
        run(m);
    }
    free(m);
}

// ---- a coded file

// What comes of one, given in pieces that stand in blocks of their own. Returns 1 where the image is whole, or the error.
static int32_t decode(tw_coded_t *c, const uint8_t *file, size_t size, size_t piece, uint8_t *image) {
    int32_t result = tw_coded_open(c, file, size);
    size_t at = TW_CODED_HEADER_BYTES;
    while (result >= 0 && !tw_coded_done(c)) {
        const size_t count = piece < size - at ? piece : size - at;
        uint8_t *in = block(count, 0);
        memcpy(in, file + at, count);
        result = tw_coded_push(c, in, count, image);
        CHECK(result <= (int32_t)count && (result || tw_coded_done(c)));
        at += result > 0 ? (size_t)result : 0;
        free(in);
    }
    return result < 0 ? result : 1;
}

static void decode_and_live(const uint8_t *file, size_t size) {
    tw_coded_t *c = block(sizeof *c, 0xA5);
    const int32_t bytes = tw_coded_open(c, file, size);
    CHECK(bytes < 0 || (uint32_t)bytes <= 1u << 24);
    if (bytes > 0 && (uint32_t)bytes <= IMAGE_MAX) {
        uint8_t *image = block((size_t)bytes, 0xA5), *other = block((size_t)bytes, 0xA5);
        const int32_t result = decode(c, file, size, size, image);
        CHECK(decode(c, file, size, TW_CODED_AHEAD + size % 7, other) == result);
        CHECK(memcmp(image, other, (size_t)bytes) == 0);
        if (result > 0) {
            live(image, (size_t)bytes);
        }
        free(other);
        free(image);
    }
    free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *file = block(size, 0);
    memcpy(file, data, size);
    if (size >= 5 && tw_coded_is(file)) {
        decode_and_live(file, size);
    }
    live(file, size);
    CHECK(memcmp(file, data, size) == 0);
    free(file);
    return 0;
}
