# SPDX-License-Identifier: MIT
"""Another model for a board that listens, by the protocol of firmware/SERIAL.md alone: no raw REPL and no reset.

channel (commands and their answers), transfer (the model in pieces), swap (the steps, in their order), report.
"""

from tinywake.device.swap.report import SwapReport
from tinywake.device.swap.swap import swap

__all__ = ["SwapReport", "swap"]
