# SPDX-License-Identifier: MIT
"""Another model for a board that listens, by the protocol of firmware/SERIAL.md alone: no raw REPL and no reset.

transfer (the model in pieces), swap (the steps, in their order), report; use (one that is there already).
"""

from tinywake.device.swap.report import SwapReport
from tinywake.device.swap.swap import swap
from tinywake.device.swap.use import UseReport, use

__all__ = ["SwapReport", "UseReport", "swap", "use"]
