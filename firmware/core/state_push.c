// SPDX-License-Identifier: MIT
// STATE_PUSH: a moving window over time, oldest first.
#include "ops.h"

#include <string.h>

void tw_state_push(uint32_t count, const uint8_t *x, uint32_t state_count, uint8_t *state) {
    memmove(state, state + count, state_count - count);
    memmove(state + state_count - count, x, count); // a hostile file may lay x over the state
}
