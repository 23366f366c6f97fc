// SPDX-License-Identifier: MIT
// The latest inputs of a network that may sleep. Run over them from its reset state, its next output is what it would
// have been without the sleep, because its output depends on that many inputs and no more.
#ifndef TW_BACKLOG_H
#define TW_BACKLOG_H

#include "model.h"

typedef struct {
    uint8_t *inputs; // [slots][bytes] in a circle; caller's
    uint32_t bytes;  // of an input
    uint32_t slots;  // inputs that an output depends on, its own included
    uint32_t at;     // slot where the newest grows
    uint32_t behind; // whole ones that were slept through since the network last ran, at most slots; once it is awake,
                     // how many of them are still to be run
    uint32_t left;   // whole ones that are still to be run, the one in the network's input included
} tw_backlog_t;

// Earlier invokes that an output depends on, at most 65534; or TW_ERR_STATE where state is more than moving windows
// (STATE_PUSH), laid out in the order of their operators and read only after these: no number of inputs would bring
// such a network back. Whatever our compiler makes of streaming networks is of that kind.
int tw_backlog_reach(const tw_model_t *m);

// 0, TW_ERR_STATE, or TW_ERR_ARENA where the inputs are larger than any arena. Sets bytes and slots.
int tw_backlog_open(tw_backlog_t *b, const tw_model_t *m);

// No inputs so far. `inputs` have been set.
void tw_backlog_reset(tw_backlog_t *b);

// Where the newest input grows; not while all slots are taken.
uint8_t *tw_backlog_newest(const tw_backlog_t *b);

// Whether inputs that are still to be run take all slots.
bool tw_backlog_full(const tw_backlog_t *b);

// The newest is whole, and another begins to grow. Asleep, where none is to be run: it is slept through. Awake: it is
// to be run after those that were slept through, the first of which goes to the input of `m`; that is reset where not
// all of them are here.
void tw_backlog_push(tw_backlog_t *b, tw_model_t *m, bool asleep);

// One has been run: the next goes to the input of `m`. False where there is none.
bool tw_backlog_next(tw_backlog_t *b, const tw_model_t *m);

#endif
