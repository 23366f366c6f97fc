// SPDX-License-Identifier: MIT
// Opens a model and invokes it, without any interpreter: cycles of opening, then of each operator of the last invoke but
// one, then of the last one in whole. Sends the output of every invoke.
//
// The job: u32 bytes of the model, u32 invokes, the model (padded to 4), then the inputs.
#include "board.h"
#include "model.h"

#include <string.h>

static uint32_t arena[56 * 1024];

static void invoke_by_operator(tw_model_t *m) {
    for (uint32_t op = 0; op < m->op_count; ++op) {
        board_start();
        tw_model_run(m, op, op + 1);
        board_lap();
    }
}

__attribute__((section(".start"), noreturn)) void start(void) {
    const uint32_t *job = (const uint32_t *)JOB;
    const uint8_t *file = (const uint8_t *)(job + 2);
    const uint8_t *x = file + (job[0] + 3) / 4 * 4;
    tw_model_t m;
    board_start();
    int err = tw_model_open(&m, file, job[0]);
    board_lap();
    if (!err) {
        err = tw_model_attach(&m, arena, sizeof arena);
    }
    for (uint32_t i = 0; i < job[1] && !err; ++i, x += m.input_bytes) {
        memcpy(m.input, x, m.input_bytes);
        if (i + 2 == job[1]) {
            invoke_by_operator(&m);
        } else if (i + 1 == job[1]) {
            board_start();
            tw_model_run(&m, 0, m.op_count);
            board_lap();
        } else {
            tw_model_run(&m, 0, m.op_count);
        }
        board_send(m.output, m.output_bytes);
    }
    board_exit(-err);
}
