// SPDX-License-Identifier: MIT
// Pushes audio through the front end, a hop at a time: cycles of each frame, then of its input map. Sends the features.
//
// The job: u32 bytes of the FRONTEND section, u32 samples, the INPUT_MAP section, the FRONTEND section (padded to 4),
// then the samples, int16.
#include "board.h"
#include "frontend.h"
#include "input_map.h"

static tw_frontend_t fe;
static int8_t input[TW_FRONTEND_CHANNELS_MAX];

__attribute__((section(".start"), noreturn)) void start(void) {
    const uint32_t *job = (const uint32_t *)JOB;
    const uint8_t *mapping = (const uint8_t *)(job + 2), *section = mapping + TW_INPUT_MAP_BYTES;
    const int16_t *pcm = (const int16_t *)(const void *)(section + (job[0] + 3) / 4 * 4), *end = pcm + job[1];
    tw_input_map_t map;
    const int err = tw_input_map_check(mapping) ? tw_input_map_check(mapping) : tw_frontend_check(section, job[0]);
    if (err) {
        board_exit(-err);
    }
    tw_input_map_open(&map, mapping);
    tw_frontend_open(&fe, section);
    while (end - pcm >= fe.hop) {
        const uint16_t *frame;
        if (fe.filled + fe.hop < fe.window) {
            pcm += tw_frontend_push(&fe, pcm, fe.hop, &frame);
            continue;
        }
        board_start();
        pcm += tw_frontend_push(&fe, pcm, fe.hop, &frame);
        board_lap();
        board_start();
        tw_input_map_apply(&map, frame, fe.channels, input);
        board_lap();
        board_send(frame, fe.channels * sizeof *frame);
    }
    board_exit(0);
}
