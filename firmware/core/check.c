// SPDX-License-Identifier: MIT
// Every check of untrusted bytes, with its two halves: check_ops.c for operators, frontend_check.c for the front end's
// tables, both called from here. The list in models/SPEC.md, "What a reader must reject", is this file in words. Sums
// and products end at UINT32_MAX wherever a file could make them large; nothing is read before it is known to lie inside.
#include "check.h"

#include "bytes.h"
#include "crc.h"
#include "decode.h"
#include "detector.h"
#include "frontend_stages.h"
#include "input_map.h"

#define MAX_SECTIONS 32
#define MAX_BYTES (1u << 24) // of file, arena, state, any tensor and all tensors in state
#define MAX_RANK 6

bool tw_check_inside(uint32_t offset, uint32_t bytes, uint32_t limit) {
    return offset <= limit && bytes <= limit - offset;
}

__attribute__((noinline)) uint32_t tw_check_product(uint32_t a, uint32_t b) {
    const uint64_t product = (uint64_t)a * b;
    return product > UINT32_MAX ? UINT32_MAX : (uint32_t)product;
}

// ---- header and section table

static int take_section(tw_model_t *m, uint16_t type, const uint8_t *at, uint32_t bytes, uint32_t *seen) {
    if (type >= TW_SECTION_OPTIONAL) {
        return TW_OK;
    }
    if (type < TW_SECTION_TENSORS || type > TW_SECTION_DETECTOR || (*seen & (1u << type))) {
        return TW_ERR_SECTION;
    }
    *seen |= 1u << type;
    switch (type) {
        case TW_SECTION_TENSORS:
            if (bytes % TW_TENSOR_BYTES || bytes / TW_TENSOR_BYTES > UINT16_MAX) {
                return TW_ERR_SECTION;
            }
            m->tensors = at;
            m->tensor_count = (uint16_t)(bytes / TW_TENSOR_BYTES);
            break;
        case TW_SECTION_OPS:
            m->ops = at;
            m->ops_bytes = bytes;
            break;
        case TW_SECTION_WEIGHTS:
            m->weights = at;
            m->weights_bytes = bytes;
            break;
        case TW_SECTION_IO:
            m->io = at;
            m->io_bytes = bytes;
            return bytes >= TW_IO_HEAD_BYTES ? TW_OK : TW_ERR_TRUNCATED;
        case TW_SECTION_FRONTEND:
            m->frontend = at;
            m->frontend_bytes = bytes;
            break;
        case TW_SECTION_INPUT_MAP:
            m->input_map = at;
            return bytes == TW_INPUT_MAP_BYTES ? TW_OK : TW_ERR_SECTION;
        default:
            m->detector = at;
            m->detector_bytes = bytes;
            break;
    }
    return TW_OK;
}

static int check_header(tw_model_t *m, size_t len) {
    const uint8_t *h = m->file;
    if (len < TW_HEADER_BYTES) {
        return len >= 4 && le32_aligned(h) != TW_MAGIC ? TW_ERR_MAGIC : TW_ERR_TRUNCATED;
    }
    if (le32_aligned(h) != TW_MAGIC) {
        return TW_ERR_MAGIC;
    }
    if (h[4] != TW_SPEC_VERSION) {
        return TW_ERR_VERSION;
    }
    const uint32_t sections = le16_aligned(h + 6);
    m->file_bytes = le32_aligned(h + 8);
    m->arena_bytes = le32_aligned(h + 12);
    m->state_bytes = le32_aligned(h + 16);
    const uint32_t table_bytes = sections * TW_SECTION_BYTES;
    if (len < TW_HEADER_BYTES + table_bytes || len < m->file_bytes) {
        return TW_ERR_TRUNCATED;
    }
    if (tw_crc_32(tw_crc_32(0, h, 28), h + TW_HEADER_BYTES, table_bytes) != le32_aligned(h + 28)) {
        return TW_ERR_CRC;
    }
    if (h[5] || le32_aligned(h + 24) || sections == 0 || sections > MAX_SECTIONS || m->file_bytes > MAX_BYTES ||
        m->file_bytes < TW_HEADER_BYTES + table_bytes) {
        return TW_ERR_SECTION;
    }
    return m->arena_bytes > MAX_BYTES || m->state_bytes > m->arena_bytes || m->state_bytes % 4 ? TW_ERR_ARENA : TW_OK;
}

static int check_sections(tw_model_t *m) {
    const uint32_t count = le16_aligned(m->file + 6);
    const uint8_t *record = m->file + TW_HEADER_BYTES;
    uint32_t end = TW_HEADER_BYTES + count * TW_SECTION_BYTES;
    uint32_t seen = 0;
    for (uint32_t i = 0; i < count; ++i, record += TW_SECTION_BYTES) {
        const uint16_t type = le16_aligned(record);
        const uint32_t offset = le32_aligned(record + 4);
        const uint32_t bytes = le32_aligned(record + 8);
        const uint32_t below = type == TW_SECTION_WEIGHTS ? 15 : 3; // a multiple of 16 or 4
        if (le16_aligned(record + 2) || (offset & below) || offset < end || offset - end >= 16) {
            return TW_ERR_SECTION;
        }
        if (!tw_check_inside(offset, bytes, m->file_bytes)) {
            return TW_ERR_TRUNCATED;
        }
        const int err = take_section(m, type, m->file + offset, bytes, &seen);
        if (err) {
            return err;
        }
        end = offset + bytes;
    }
    if (m->file_bytes - end >= 16) {
        return TW_ERR_SECTION;
    }
    // A wake word has all of front end, input map and detector; any other network none of them.
    const uint32_t audio = seen >> TW_SECTION_FRONTEND;
    return m->tensors && m->ops && m->weights && m->io && (audio == 0 || audio == 7) ? TW_OK : TW_ERR_SECTION;
}

// ---- tensors

static int check_tensors(const tw_model_t *m) {
    uint32_t filled = 0; // by a reset
    const uint32_t room[3] = {m->arena_bytes - m->state_bytes, m->state_bytes, m->weights_bytes};
    for (uint32_t i = 0; i < m->tensor_count; ++i) {
        tw_tensor_t t;
        tw_decode_tensor(m, i, &t);
        const uint32_t count = tw_check_product((uint32_t)t.h * t.w, t.c);
        const int low = t.type == TW_TYPE_INT8 ? INT8_MIN : 0;
        if (count == 0 || count > MAX_BYTES || t.type > TW_TYPE_UINT8 || t.place > TW_PLACE_WEIGHTS || t.reserved ||
            t.zero_point < low || t.zero_point > low + 255 || !tw_check_inside(t.offset, count, room[t.place])) {
            return TW_ERR_TENSOR;
        }
        filled += t.place == TW_PLACE_STATE ? count : 0;
        if (filled > MAX_BYTES) {
            return TW_ERR_TENSOR;
        }
    }
    return TW_OK;
}

// ---- input and output

static int check_io(tw_model_t *m) {
    tw_io_t io;
    tw_decode_io(m, &io);
    const uint32_t dims = (uint32_t)io.rank[0] + io.rank[1];
    if (io.rank[0] > MAX_RANK || io.rank[1] > MAX_RANK) {
        return TW_ERR_TENSOR;
    }
    if (m->io_bytes != ((TW_IO_HEAD_BYTES + 2 * dims + 3) & ~3u)) {
        return TW_ERR_TRUNCATED;
    }
    const uint8_t *dim = m->io + TW_IO_HEAD_BYTES;
    uint32_t count[2];
    for (int i = 0; i < 2; ++i) {
        tw_tensor_t t;
        if (io.tensor[i] >= m->tensor_count) {
            return TW_ERR_TENSOR;
        }
        tw_decode_tensor(m, io.tensor[i], &t);
        count[i] = tw_tensor_count(&t);
        uint32_t product = 1;
        for (uint32_t d = 0; d < io.rank[i]; ++d, dim += 2) {
            product = tw_check_product(product, le16_aligned(dim));
        }
        if (product != count[i] || t.place == TW_PLACE_WEIGHTS || io.mantissa[i] < 0 || io.mantissa[i] > 1 << 24) {
            return TW_ERR_TENSOR;
        }
    }
    m->input_bytes = count[0];
    m->output_bytes = count[1];
    m->warmup = io.warmup;
    m->frames = io.frames;
    return TW_OK;
}

static int check_audio(const tw_model_t *m) {
    if (!m->frontend) {
        return m->frames == 0 ? TW_OK : TW_ERR_FRONTEND;
    }
    int err = tw_frontend_check(m->frontend, m->frontend_bytes);
    tw_io_t io;
    tw_tensor_t in;
    tw_decode_io(m, &io);
    tw_decode_tensor(m, io.tensor[0], &in);
    // The listener counts time in whole milliseconds and fills the input frame by frame.
    if (!err && (in.type != TW_TYPE_INT8 || le16_aligned(m->frontend + SECTION_SAMPLE_RATE) % 1000 ||
                    (uint32_t)m->frames * m->frontend[SECTION_CHANNELS] != m->input_bytes)) {
        err = TW_ERR_FRONTEND;
    }
    if (!err) {
        err = tw_input_map_check(m->input_map);
    }
    return err ? err : tw_detector_check(m->detector, m->detector_bytes, m->output_bytes);
}

int tw_check_file(tw_model_t *m, size_t len) {
    int err = check_header(m, len);
    err = err ? err : check_sections(m);
    err = err ? err : check_tensors(m);
    err = err ? err : tw_check_ops(m);
    err = err ? err : check_io(m);
    return err ? err : check_audio(m);
}
