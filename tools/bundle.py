# SPDX-License-Identifier: MIT
"""One zip for all boards with CircuitPython, as its users expect libraries: make bundle.

bundle.py OUT    OUT/tinywake-circuitpython-10.x-mpy-VERSION.zip of the modules that are built, the same bytes each time
"""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

from tinywake.device import places
from tinywake.device.boards import board_names, load_board
from tinywake.device.circuitpy.app import (
    APART,
    APP,
    KINDS,
    PINS,
    app_for_circuitpython,
    built_modules,
    module_path,
)  # fmt: skip
from tinywake.errors import TinywakeError, ToolError

__all__ = ["bundle_files", "main", "write_zip"]

REPO = Path(__file__).resolve().parents[1]
ARCHES = ("armv6m", "armv7emsp", "xtensawin", "rv32imc")  # of boards that CircuitPython loads native modules on
_PDM = ("armv6m", "armv7emsp")  # of those the ones with a module for PDM microphones: firmware/module/Makefile
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that a zip can say
_README = """tinywake {version} for CircuitPython 10.3.1 or later on RP2040 and RP2350, 10.4 on Espressif chips.

1. Copy the folder lib/tinywake to the folder lib of the drive CIRCUITPY.
2. Connect an I2S microphone as lib/tinywake/pins.py says for your board, or write your own pins.py there.
3. Copy examples/computer.twm to the top of the drive, and examples/tinywake_simpletest.py as code.py. For another model
   (.twm, of tinywake train) change the name in it. Those in examples/ come with a card each (.CARD.md): how they were
   measured, what recordings they were made of, and under which licence they may be passed on, which is not the
   library's (LICENSE). Pass them on with their cards.

Copy with "tinywake deploy" instead where you can: a native module that was cut short hangs the board when it is
imported. extras/ has what only recording (_rec), PDM microphones (_pdm) and coded models (_huf) need: for lib/, by the
board's architecture.
Not yet tried on silicon. All else: docs/circuitpython.md.
"""
_PINS = '''# SPDX-License-Identifier: MIT
"""Which microphone hangs on which pins, by the id of the board; for another board write this file anew."""

import board

# From boards/ of tinywake: numbers are those of the chip's GPIOs, L/R of the microphone is at GND.
_BOARDS = {{
{boards}}}

if board.board_id not in _BOARDS:
    raise ImportError("lib/tinywake/pins.py: no pins for " + board.board_id + ": write it, see docs/circuitpython.md")
BOARD, MIC = _BOARDS[board.board_id]
'''


def bundle_files() -> dict[str, bytes]:
    """Path in the zip -> content. Raises ToolError where a module is not built, or a model has no card."""
    files = app_for_circuitpython()
    files[PINS] = _pins().encode()
    for arch in ARCHES:
        built = built_modules(arch)
        for kind in KINDS:
            if kind == "_pdm" and arch not in _PDM:
                continue
            if kind not in built:
                raise ToolError(f"no _tinywake{kind}.mpy of CircuitPython for {arch}: make modules ARCH={arch}")
            files[f"extras/{arch}/_tinywake{kind}.mpy" if kind in APART else module_path(arch, kind)] = built[kind]
    files["examples/tinywake_simpletest.py"] = (REPO / "firmware/examples/tinywake_simpletest.py").read_bytes()
    for model in sorted((REPO / "models").glob("*/model.twm")):
        files[f"examples/{model.parent.name}.twm"] = model.read_bytes()
        files[f"examples/{model.parent.name}.CARD.md"] = _card(model)
    files["LICENSE"] = (REPO / "LICENSE").read_bytes()
    files["README.txt"] = _README.format(version=_version()).encode()
    return files


def _card(model: Path) -> bytes:
    """What names the people and licences that a model is made of."""
    try:
        return model.with_name("CARD.md").read_bytes()
    except OSError:
        raise ToolError(f"{model}: has no CARD.md beside it, so it cannot be passed on: tinywake train") from None


def _pins() -> str:
    lines = []
    for board in map(load_board, board_names()):
        if board.circuitpython is not None:
            names: dict[str, object] = {}
            exec(compile(board.pins.read_text(encoding="utf-8"), str(board.pins), "exec"), names)
            lines.append(f'    "{board.circuitpython}": ("{board.name}", {_plain(names["MIC"])}),\n')
    return _PINS.format(boards="".join(lines))


def _plain(mic: object) -> str:
    return repr(mic).replace("'", '"')


def _version() -> str:
    text = (places.app() / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.M)
    if found is None:
        raise ToolError("firmware/app/__init__.py: no __version__")
    return found[1]


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    """Stored, sorted and undated: the same bytes whatever made them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            out.writestr(entry, files[name])


def main(out: Path) -> Path:
    """Write the zip."""
    files = bundle_files()
    path = out / f"tinywake-circuitpython-10.x-mpy-{_version()}.zip"
    out.mkdir(parents=True, exist_ok=True)
    write_zip(path, files)
    in_lib = sum(name.startswith(f"{APP}/") for name in files)
    print(f"{path}: {path.stat().st_size:,} bytes, {in_lib} files in {APP}, modules for {', '.join(ARCHES)}")
    return path


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except TinywakeError as error:
        sys.exit(f"bundle: {error}")
