// SPDX-License-Identifier: MIT
// A model's life: open, verify, attach memory, reset. Running it is run.c, checking it is check.c.
#include "model.h"

#include "bytes.h"
#include "check.h"
#include "crc.h"
#include "decode.h"

#include <string.h>

int tw_model_open(tw_model_t *m, const void *bytes, size_t len) {
    memset(m, 0, sizeof *m);
    if ((uintptr_t)bytes % 4) {
        return TW_ERR_ALIGN;
    }
    m->file = bytes;
    return tw_check_file(m, len);
}

int tw_model_verify(const tw_model_t *m) {
    const uint32_t start = TW_HEADER_BYTES + (uint32_t)TW_SECTION_BYTES * le16_aligned(m->file + 6);
    const uint32_t crc = tw_crc_32(0, m->file + start, m->file_bytes - start);
    return crc == le32_aligned(m->file + 20) ? TW_OK : TW_ERR_CRC;
}

int tw_model_attach(tw_model_t *m, void *arena, size_t len) {
    if (len < m->arena_bytes || (uintptr_t)arena % TW_ARENA_ALIGN) {
        return TW_ERR_ARENA;
    }
    m->state = arena;
    m->arena = m->state + m->state_bytes;
    tw_io_t io;
    tw_tensor_t t;
    tw_decode_io(m, &io);
    tw_decode_tensor(m, io.tensor[0], &t);
    m->input = tw_decode_address(m, &t);
    tw_decode_tensor(m, io.tensor[1], &t);
    m->output = tw_decode_address(m, &t);
    memset(arena, 0, m->arena_bytes); // a first run that a caller starts in the middle is at least repeatable
    tw_model_reset(m);
    return TW_OK;
}

void tw_model_reset(tw_model_t *m) {
    for (uint32_t i = 0; i < m->tensor_count; ++i) {
        tw_tensor_t t;
        tw_decode_tensor(m, i, &t);
        if (t.place == TW_PLACE_STATE) {
            memset(m->state + t.offset, t.fill, tw_tensor_count(&t));
        }
    }
}
