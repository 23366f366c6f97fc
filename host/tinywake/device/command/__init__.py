# SPDX-License-Identifier: MIT
"""Commands to boards that listen: one at a time, sent again until they are answered (firmware/SERIAL.md).

orders: what is on its way, and what answers it. channel: a line that waits for its answer. session: one that a thread
reads, and that comes back after a break.
"""

__all__: list[str] = []
