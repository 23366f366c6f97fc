# SPDX-License-Identifier: MIT
"""How much the USB serial port of RP2040 and RP2350 takes without waiting, which MicroPython does not tell.

Not yet tried on silicon; written against MicroPython 1.25's source and the RP2040's datasheet.
"""

from machine import mem16

__all__ = ("takes",)

_TO_HOST = 0x50100090  # buffer control of endpoint 2 IN, MicroPython's serial port: datasheet, 4.1.2.5
_ON_ITS_WAY = 1 << 10  # AVAILABLE: a packet that the host has not fetched yet
_FIFO = 256  # CFG_TUD_CDC_TX_BUFSIZE

_room = 0


def takes(count):
    """Whether so many bytes find room, which counts them as written. Of what others write it knows nothing.

    Where no packet is on its way the buffer behind it is empty. Where one is, the host may be slow, or not read at all.
    """
    global _room
    if not mem16[_TO_HOST] & _ON_ITS_WAY:
        _room = _FIFO
    if count > _room:
        _room = 0  # the caller goes on in another way
        return False
    _room -= count
    return True
