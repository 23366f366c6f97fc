// SPDX-License-Identifier: MIT
#include "board.h"

void fault(void);

void fault(void) {
    board_exit(70);
}
