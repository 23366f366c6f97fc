// SPDX-License-Identifier: MIT
#include "adpcm.h"

enum { LAST_STEP = 88 };

static const uint16_t steps[LAST_STEP + 1] = {
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107, 118,
    130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963, 1060,
    1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894, 6484, 7132,
    7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767};

// Code without its sign to what it adds to the step's index.
static const int8_t moves[8] = {-1, -1, -1, -1, 2, 4, 6, 8};

void tw_adpcm_encode(tw_adpcm_t *state, const int16_t *pcm, size_t n, uint8_t *out, size_t at) {
    int32_t predictor = state->predictor, index = state->index <= LAST_STEP ? state->index : LAST_STEP;
    for (const int16_t *end = pcm + n; pcm < end; ++pcm, ++at) {
        uint32_t step = steps[index], code = 0;
        const int32_t difference = *pcm - predictor;
        uint32_t rest = (uint32_t)(difference < 0 ? -difference : difference), change = step >> 3;
        for (uint32_t bit = 4; bit; bit >>= 1, step >>= 1) {
            if (rest >= step) {
                code |= bit;
                rest -= step;
                change += step;
            }
        }
        predictor += difference < 0 ? -(int32_t)change : (int32_t)change;
        predictor = predictor > INT16_MAX ? INT16_MAX : predictor < INT16_MIN ? INT16_MIN : predictor;
        index += moves[code];
        index = index < 0 ? 0 : index > LAST_STEP ? LAST_STEP : index;
        code |= difference < 0 ? 8 : 0;
        out[at / 2] = (uint8_t)(at % 2 ? out[at / 2] | code << 4 : code);
    }
    state->predictor = (int16_t)predictor;
    state->index = (uint8_t)index;
}
