// SPDX-License-Identifier: MIT
// STATE_PUSH: a moving window over time, oldest first.
#include "move.h"
#include "ops.h"

void tw_state_push(uint32_t count, const uint8_t *x, uint32_t state_count, uint8_t *state) {
    tw_move(state, state + count, state_count - count);
    tw_move(state + state_count - count, x, count); // a hostile file may lay x over the state
}
