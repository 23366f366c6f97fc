# SPDX-License-Identifier: MIT
"""A stand-in for MicroPython's rp2, of what the PDM microphone uses: a PIO program, a state machine, DMA channels.

advance() moves bytes as the channels are set up, chains and register writes included; any that would go
where no buffer is known fails. `source(n)` gives the next n bytes of the microphone's bits.
"""

from array import array

import uctypes

source = None
channels = {}  # in use
active = []  # state machines


class PIO:
    OUT_LOW = 2
    SHIFT_RIGHT = 1
    JOIN_RX = 2


class _Instruction:
    def __init__(self, program, text):
        self.program, self.text = program, text

    def side(self, level):
        self.program.append((self.text, level))


def asm_pio(**settings):
    def assemble(function):
        program = []
        names = function.__globals__
        kept = names.copy()
        names.clear()  # as the real one does
        names["pins"] = "pins"
        names["nop"] = lambda: _Instruction(program, "nop")
        names["in_"] = lambda what, count: _Instruction(program, f"in {what}, {count}")
        function()
        names.clear()
        names.update(kept)
        return settings, program

    return assemble


class StateMachine:
    def __init__(self, number, program, *, freq, in_base, sideset_base):
        self.number, self.program, self.freq = number, program, freq
        self.data, self.clock = in_base.number, sideset_base.number

    def active(self, on):
        if on:
            active.append(self)
        else:
            active.remove(self)


_CONTROL = {"enable": True, "size": 2, "inc_read": True, "inc_write": True, "treq_sel": 63}


class DMA:
    def __init__(self):
        if len(channels) == 12:
            raise OSError("all DMA channels in use")
        self.channel = min(set(range(12)) - set(channels))
        channels[self.channel] = self
        self.registers = memoryview(array("I", bytes(64)))
        self.busy = False
        self.write = self.left = 0
        self.ctrl = {}

    def pack_ctrl(self, **fields):
        control = dict(_CONTROL, chain_to=self.channel)
        for name in fields:
            assert name in control, name
        control.update(fields)
        return control

    def config(self, *, read, write, count, ctrl, trigger=False):
        self.read, self.destination, self.count, self.ctrl = read, write, count, ctrl
        self.write = write if isinstance(write, int) else uctypes.addressof(write)
        if trigger:
            self.start()

    def start(self):
        if self.ctrl["enable"]:
            self.busy = True
            self.left = self.count

    def unpack_ctrl(self, control):
        return control

    def active(self, on=None):
        if on is not None:
            assert not on
            self.busy = False
        return self.busy

    def close(self):
        assert not self.busy
        del channels[self.channel]

    def finish(self):
        self.busy = False
        chained = self.ctrl["chain_to"]
        if chained != self.channel:
            other = channels[chained]
            other.start()
            other.copy()

    def copy(self):
        """One word to a register of another channel: AL2_WRITE_ADDR_TRIG is the one known."""
        assert self.busy
        assert (self.count, self.ctrl["inc_read"], self.ctrl["inc_write"]) == (1, False, False)
        self.busy = False
        for other in channels.values():
            if self.write == uctypes.addressof(other.registers) + 4 * 11:
                other.write = self.read[0]
                other.start()
                return
        raise AssertionError("written to no register known")


def advance(words):
    """The state machine has so many words; its channel takes them."""
    (machine,) = active
    (dma,) = [dma for dma in channels.values() if dma.busy and dma.read is machine]
    assert dma.ctrl["treq_sel"] == machine.number // 4 * 8 + 4 + machine.number % 4
    assert (dma.ctrl["size"], dma.ctrl["inc_read"], dma.ctrl["inc_write"]) == (2, False, True)
    low = uctypes.addressof(dma.destination)
    while words:
        count = min(words, dma.left)
        assert low <= dma.write <= low + len(dma.destination) - 4 * count
        at = dma.write - low
        dma.destination[at : at + 4 * count] = source(4 * count)
        dma.write += 4 * count
        dma.left -= count
        words -= count
        if not dma.left:
            dma.finish()
