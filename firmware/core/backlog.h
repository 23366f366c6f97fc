// SPDX-License-Identifier: MIT
// The latest inputs of a network that may sleep. Run over them from its reset state, its next output is what it would
// have been without the sleep, because its output depends on that many inputs and no more.
#ifndef TW_BACKLOG_H
#define TW_BACKLOG_H

#include "model.h"

typedef struct {
    uint8_t *inputs; // [slots][bytes] in a circle; caller's
    uint32_t bytes;  // of an input
    uint16_t slots;  // inputs that an output depends on, its own included
    uint16_t at;     // slot of the newest, which may still be growing
    uint16_t behind; // whole ones before it that were slept through since the network last ran, at most slots
    uint16_t left;   // how many are still to be run, the newest included; 0: none
} tw_backlog_t;

// Earlier invokes that an output depends on, at most 65534; or TW_ERR_STATE where state is more than moving windows
// (STATE_PUSH), laid out in the order of their operators and read only after these: no number of inputs would bring
// such a network back. Whatever our compiler makes of streaming networks is of that kind.
int tw_backlog_reach(const tw_model_t *m);

// 0, TW_ERR_STATE, or TW_ERR_ARENA where the inputs are larger than any arena. Sets bytes and slots.
int tw_backlog_open(tw_backlog_t *b, const tw_model_t *m);

// No inputs so far. `inputs` have been set.
void tw_backlog_reset(tw_backlog_t *b);

// Where the newest input grows.
uint8_t *tw_backlog_newest(const tw_backlog_t *b);

// The newest is whole and to be run, after those that were slept through: the first of them goes to the input of `m`,
// which is reset where not all of them are here.
void tw_backlog_run(tw_backlog_t *b, tw_model_t *m);

// One has been run: the next goes to the input of `m`. False after the newest, or where none was to be run: then
// another begins to grow.
bool tw_backlog_next(tw_backlog_t *b, const tw_model_t *m);

#endif
