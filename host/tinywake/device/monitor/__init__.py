# SPDX-License-Identifier: MIT
"""`tinywake monitor`: boards that listen, watched and commanded over their lines.

view: one board on the screen. keys: what one types. files: what is kept (log, CSV, plot). target: an emulated board to
watch. watch: all of them together.
"""

from tinywake.device.monitor.target import listening_target
from tinywake.device.monitor.view import View
from tinywake.device.monitor.watch import Kept, monitor

__all__ = ["Kept", "View", "listening_target", "monitor"]
