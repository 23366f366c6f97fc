# SPDX-License-Identifier: MIT
"""The emulated Pico's processor, which is ours: it computes, sets flags and counts cycles as Arm says, and faults."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.rp2040 import RP2040Board
from tinywake.errors import DeviceError

PATIENT = 60.0  # seconds of silence; the computer may be busy with other things

lacking = RP2040Board.available()
pytestmark = [pytest.mark.on("rp2040"), pytest.mark.skipif(lacking is not None, reason=str(lacking))]


@pytest.fixture
def board() -> Iterator[RP2040Board]:
    with RP2040Board() as board:
        yield board


# Arithmetic on registers: the opcode with rd = r0 and rm = r1, and what Arm's manual says of a, b and the carry.
M32 = 0xFFFFFFFF


def add(a: int, b: int, c: int) -> tuple[int, int, int]:
    total = a + b + c
    return total & M32, int(total > M32), ((a ^ total) & (b ^ total)) >> 31 & 1


def shifted(kind: str, a: int, n: int, c: int) -> tuple[int, int]:
    if n == 0:
        return a, c
    if kind == "lsl":
        return (a << n) & M32 if n < 32 else 0, (a << n) >> 32 & 1 if n <= 32 else 0
    if kind == "lsr":
        return a >> n, a >> (n - 1) & 1
    if kind == "asr":
        signed = a - (1 << 32) if a >> 31 else a
        return signed >> min(n, 32) & M32, signed >> (min(n, 33) - 1) & 1
    turned = (a >> n % 32 | a << 32 - n % 32) & M32
    return turned, turned >> 31


Arithmetic = Callable[[int, int, int, int], tuple[int, int, int]]  # a, b, carry, overflow -> result, carry, overflow
OPERATIONS: dict[int, Arithmetic] = {
    0x1840: lambda a, b, c, v: add(a, b, 0),  # adds r0, r0, r1
    0x1A40: lambda a, b, c, v: add(a, ~b & M32, 1),  # subs r0, r0, r1
    0x1DC0: lambda a, b, c, v: add(a, 7, 0),  # adds r0, r0, #7
    0x1FC0: lambda a, b, c, v: add(a, ~7 & M32, 1),  # subs r0, r0, #7
    0x30FF: lambda a, b, c, v: add(a, 255, 0),  # adds r0, #255
    0x38FF: lambda a, b, c, v: add(a, ~255 & M32, 1),  # subs r0, #255
    0x28FF: lambda a, b, c, v: (a, *add(a, ~255 & M32, 1)[1:]),  # cmp r0, #255
    0x4148: lambda a, b, c, v: add(a, b, c),  # adcs
    0x4188: lambda a, b, c, v: add(a, ~b & M32, c),  # sbcs
    0x4248: lambda a, b, c, v: add(0, ~b & M32, 1),  # rsbs r0, r1, #0
    0x4288: lambda a, b, c, v: (a, *add(a, ~b & M32, 1)[1:]),  # cmp
    0x42C8: lambda a, b, c, v: (a, *add(a, b, 0)[1:]),  # cmn
    0x4008: lambda a, b, c, v: (a & b, c, v),  # ands
    0x4048: lambda a, b, c, v: (a ^ b, c, v),  # eors
    0x4308: lambda a, b, c, v: (a | b, c, v),  # orrs
    0x4388: lambda a, b, c, v: (a & ~b, c, v),  # bics
    0x43C8: lambda a, b, c, v: (~b & M32, c, v),  # mvns
    0x4348: lambda a, b, c, v: (a * b & M32, c, v),  # muls
    0x4088: lambda a, b, c, v: (*shifted("lsl", a, b & 255, c), v),
    0x40C8: lambda a, b, c, v: (*shifted("lsr", a, b & 255, c), v),
    0x4108: lambda a, b, c, v: (*shifted("asr", a, b & 255, c), v),
    0x41C8: lambda a, b, c, v: (*shifted("ror", a, b & 255, c), v),
    0x0008: lambda a, b, c, v: (b, c, v),  # movs r0, r1
    0x07C8: lambda a, b, c, v: (*shifted("lsl", b, 31, c), v),  # lsls r0, r1, #31
    0x0808: lambda a, b, c, v: (*shifted("lsr", b, 32, c), v),  # lsrs r0, r1, #32
    0x0848: lambda a, b, c, v: (*shifted("lsr", b, 1, c), v),
    0x1008: lambda a, b, c, v: (*shifted("asr", b, 32, c), v),  # asrs r0, r1, #32
    0x1148: lambda a, b, c, v: (*shifted("asr", b, 5, c), v),
}
PLAIN: dict[int, Callable[[int], int]] = {  # without flags
    0xB208: lambda b: (b & 0xFFFF ^ 0x8000) - 0x8000 & M32,  # sxth
    0xB248: lambda b: (b & 0xFF ^ 0x80) - 0x80 & M32,  # sxtb
    0xB288: lambda b: b & 0xFFFF,  # uxth
    0xB2C8: lambda b: b & 0xFF,  # uxtb
    0xBA08: lambda b: int.from_bytes(b.to_bytes(4, "little"), "big"),  # rev
    0xBA48: lambda b: (b & 0xFF00FF) << 8 | b >> 8 & 0xFF00FF,  # rev16
    0xBAC8: lambda b: ((b << 8 | b >> 8 & 0xFF) & 0xFFFF ^ 0x8000) - 0x8000 & M32,  # revsh
}
# [r0] = a, b, flags -> [r0] = result, flags. msr and mrs are 32 bits: two halfwords each.
ON_BOARD = """
import array, micropython
@micropython.asm_thumb
def run(r0):
    mov(r5, r0)
    ldr(r0, [r5, 0])
    ldr(r1, [r5, 4])
    ldr(r2, [r5, 8])
    data(2, 0xf382, 0x8800, {op})
    data(2, 0xf3ef, 0x8200)
    str(r0, [r5, 0])
    str(r2, [r5, 8])
x = array.array('I', (0, 0, 0))
for a, b, f in cases:
    x[0], x[1], x[2] = a, b, f
    run(x)
    print(x[0], x[2] >> 28)
"""


def test_the_processor_computes_and_sets_flags_as_arms_manual_says(board: RP2040Board) -> None:
    pick = random.Random(1)
    edges = [0, 1, 2, 31, 32, 33, 255, 256, 0x7FFFFFFF, 0x80000000, 0x80000001, M32]
    pairs = [(a, b) for a in (0, 1, 0x7FFFFFFF, 0x80000000, M32) for b in edges]
    pairs += [(pick.getrandbits(32), pick.getrandbits(pick.choice((6, 32)))) for _ in range(20)]
    cases = [(a, b, pick.getrandbits(4) << 28) for a, b in pairs]
    with RawRepl(board.port, PATIENT) as repl:
        repl.exec(f"cases = {cases!r}")
        for op in (*OPERATIONS, *PLAIN):
            said = repl.exec(ON_BOARD.format(op=op)).decode().split("\r\n")
            for (a, b, flags), line in zip(cases, said, strict=False):
                n, z, c, v = (flags >> bit & 1 for bit in (31, 30, 29, 28))
                if op in PLAIN:
                    result = PLAIN[op](b)
                    n = 0 if z else n  # no processor has both, nor has the emulator
                else:
                    result, c, v = OPERATIONS[op](a, b, c, v)
                    outcome = (add(a, ~b & M32, 1) if op == 0x4288 else add(a, b, 0) if op == 0x42C8
                               else add(a, ~255 & M32, 1) if op == 0x28FF else (result,))[0]  # fmt: skip
                    n, z = outcome >> 31, int(outcome == 0)
                assert line == f"{result} {n << 3 | z << 2 | c << 1 | v}", f"{op:#06x}: {a:#x}, {b:#x}, {flags:#x}"


CYCLES = """
import machine, micropython
@micropython.asm_thumb
def run(r0):
    data(2{code})
machine.mem32[0xe000e014] = 0xffffff
machine.mem32[0xe000e010] = 5
def cycles():
    off = machine.disable_irq()
    machine.mem32[0xe000e018] = 0
    run(0)
    now = machine.mem32[0xe000e018]
    machine.enable_irq(off)
    return 0xffffff - now
cycles()
print(cycles())
"""


def test_the_processor_counts_cycles_as_arms_manual_says(board: RP2040Board) -> None:
    counted = {
        "nop": ([0x46C0] * 100, 100),
        "mul": ([0x4348] * 100, 100),
        "ldr from RAM": ([0x9800] * 100, 200),  # ldr r0, [sp]
        "str": ([0x9000] * 50, 100),
        "push and pop 1": ([0xB401, 0xBC01] * 50, 200),
        "push lr and 8, pop 9": ([0xB5FF, 0xBCFF, 0xB001] * 10, 10 * (10 + 9 + 1)),
        "b": ([0xE7FF] * 100, 200),  # to the next
        "bl": ([0xF000, 0xF800] * 50, 150),  # to the next; lr is on the stack
        "beq, not taken": ([0x2001, *[0xD0FF] * 100], 101),
        "beq, taken": ([0x2000, *[0xD0FF] * 100], 201),
        "ldm 2": ([0x4668, 0xC806] * 20, 20 * (1 + 3)),  # mov r0, sp; ldm r0!, {r1, r2}
        "dmb": ([0xF3BF, 0x8F5F] * 20, 60),
        "mrs": ([0xF3EF, 0x8000] * 20, 60),
    }
    with RawRepl(board.port, PATIENT) as repl:

        def measure(code: list[int]) -> int:
            return int(repl.exec(CYCLES.format(code="".join(f", {half}" for half in code))))

        idle = measure([0x46C0]) - 1
        for what, (code, cycles) in counted.items():
            assert measure(code) - idle == cycles, what
            assert measure(code) - idle == cycles, f"{what}, once more"


def test_a_fault_ends_it_with_a_line_that_says_where() -> None:
    load = "import micropython\n@micropython.asm_thumb\ndef f(r0):\n    ldr(r0, [r0, 0])\nf(0x20000002)"
    says = r"ended: .*access to 20000002, which is not aligned; pc 200[0-9a-f]{5}"
    with (
        pytest.raises(DeviceError, match=says),
        RP2040Board() as board,
        RawRepl(board.port, PATIENT) as repl,
    ):
        repl.exec(load)
