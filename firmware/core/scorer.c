// SPDX-License-Identifier: MIT
#include "scorer.h"

#include "decode.h"

int tw_scorer_open(tw_scorer_t *s, tw_model_t *m) {
    if (!m->frontend) {
        return TW_ERR_FRONTEND;
    }
    s->model = m;
    s->rows = 0;
    tw_input_map_open(&s->map, m->input_map);
    tw_io_t io;
    tw_tensor_t out;
    tw_decode_io(m, &io);
    tw_decode_tensor(m, io.tensor[1], &out);
    s->flip = out.type == TW_TYPE_INT8 ? 0x80 : 0;
    return TW_OK;
}

bool tw_scorer_take(tw_scorer_t *s, const uint16_t *frame, size_t channels, void *input) {
    if (s->rows == s->model->frames) {
        s->rows = 0;
    }
    tw_input_map_apply(&s->map, frame, channels, (int8_t *)input + s->rows * channels);
    s->rows++;
    return s->rows == s->model->frames;
}

void tw_scorer_read(const tw_scorer_t *s, uint8_t *scores) {
    for (uint32_t i = 0; i < s->model->output_bytes; ++i) {
        scores[i] = s->model->output[i] ^ s->flip;
    }
}
