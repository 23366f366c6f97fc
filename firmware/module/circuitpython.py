# SPDX-License-Identifier: MIT
"""CircuitPython's native ABI, built from MicroPython's source: all in which the two differ.

circuitpython.py header MPY_DIR              py/nativeglue.h with CircuitPython's table of functions, to stdout
circuitpython.py link MPY_DIR ARGUMENT...    as mpy_ld.py ARGUMENT..., for CircuitPython (10.3.1 and later)

Both call their ABI 6.3. Architectures, static names, mp_obj_type_t and the order of all other functions are the same,
so what is compiled differs only where it reaches beyond the entry that is one more. raise_msg takes plain text in both.

Boards with CircuitPython have another object representation (MICROPY_OBJ_REPR_C) than native modules are compiled with
(A, which mpconfig.h falls back on). Small integers and pointers are alike in both, None, False and True come out of the
table; names and floats are not alike, and natmod_objects.h keeps our sources from looking into those.
"""

import runpy
import sys
from pathlib import Path

__all__ = ["header", "link"]

MAGIC = b"C"  # in place of M, so that neither loads what was built for the other
# One more entry: types and streams, which mpy_ld numbers itself, stand behind it.
BEFORE = "    const mp_stream_p_t *(*get_stream_raise)(mp_obj_t self_in, int flags);\n"
ENTRY = "    void (*assert_native_inited)(mp_obj_t native_object);\n"
# One more flag of functions, for async, stands before these, and they moved up by a bit.
FLAGS = ("MP_SCOPE_FLAG_VIPERRELOC", "MP_SCOPE_FLAG_VIPERRODATA", "MP_SCOPE_FLAG_VIPERBSS")


def header(mpy_dir: str) -> str:
    """The header that says where in the table a function stands."""
    text = (Path(mpy_dir) / "py" / "nativeglue.h").read_text(encoding="utf-8")
    if text.count(BEFORE) != 1 or "assert_native_inited" in text:
        sys.exit(f"{mpy_dir}/py/nativeglue.h: not the table of MicroPython 1.23 and later")
    return text.replace(BEFORE, BEFORE + ENTRY)


def link(mpy_dir: str, arguments: list[str]) -> None:
    """Link, or write the header that mpy_ld makes (--preprocess)."""
    sys.path.insert(0, str(Path(mpy_dir) / "tools"))
    import mpy_ld

    mpy_ld.MP_FUN_TABLE_MP_TYPE_TYPE_OFFSET += 1
    for flag in FLAGS:
        setattr(mpy_ld, flag, getattr(mpy_ld, flag) << 1)
    if "xtensawin" in arguments:
        sys.argv = ["link_xtensa.py", mpy_dir, *arguments]
        runpy.run_path(str(Path(__file__).with_name("link_xtensa.py")))
    else:
        sys.argv = ["mpy_ld.py", *arguments]
        mpy_ld.main()
    if "--preprocess" not in arguments:
        out = Path(arguments[arguments.index("-o") + 1])
        out.write_bytes(MAGIC + out.read_bytes()[1:])


if __name__ == "__main__":
    if sys.argv[1] == "header":
        print(header(sys.argv[2]), end="")
    else:
        link(sys.argv[2], sys.argv[3:])
