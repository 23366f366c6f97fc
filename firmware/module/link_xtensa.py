# SPDX-License-Identifier: MIT
"""MicroPython's linker for native modules, with four faults mended that it has on Xtensa.

link_xtensa.py MPY_DIR ARGUMENT...    as mpy_ld.py ARGUMENT...

It takes what two objects have at the same offset of sections of the same name for one thing, so that a table is read
for another (micropython#19276, #14429); it does so with the literals of two sections of one object; of a literal that
is a symbol and an offset it forgets the offset; and it knows a table of jumps forwards only.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(sys.argv.pop(1)) / "tools"))
import mpy_ld

R_XTENSA_NDIFF32 = 62


def load_object_file(env, file, name):
    """No two sections are alike."""
    sections, literals = len(env.sections), len(env.literal_sections)
    _load(env, file, name)
    for section in env.sections[sections:]:
        section.name += f"@{name}"
    for section in env.literal_sections[literals:]:
        section.filename += section.name


def build_got_xtensa(env):
    """The offsets. Of sections they are there, and those in the interpreter's table go by the entry's name."""
    _build(env)
    for name, entry in env.got_entries.items():
        symbol, _, offset = name.partition("+")
        if offset and symbol == entry.sym.name and symbol != "mp_fun_table":
            entry.link_addr = int(offset, 16)


def do_relocation_text(env, text_addr, r):
    """A difference of two places in the code is there already, below 0 as well."""
    if r["r_info_type"] != R_XTENSA_NDIFF32:
        _relocate(env, text_addr, r)


_load, mpy_ld.load_object_file = mpy_ld.load_object_file, load_object_file
_build, mpy_ld.build_got_xtensa = mpy_ld.build_got_xtensa, build_got_xtensa
_relocate, mpy_ld.do_relocation_text = mpy_ld.do_relocation_text, do_relocation_text
mpy_ld.main()
