# SPDX-License-Identifier: MIT
"""Writes what the fuzzer starts from into a folder: files made by hand and by the compiler, none of them large.

The makefile beside it does:
    .venv/bin/python tests/fuzz/seeds.py build/fuzz/seeds
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from assemble import GOOD

from tinywake.compiler.build import compile_tflite
from tinywake.compiler.coding.encode import coded
from tinywake.errors import CompileError

TESTS = Path(__file__).resolve().parents[1]
LARGEST = 8192  # bytes: small files are mutated faster and to more effect


def seeds() -> dict[str, bytes]:
    """Name to bytes."""
    out = {name: make() for name, make in GOOD.items()}
    for path in sorted((TESTS / "vectors" / "networks").glob("*.tflite")):
        for frames in (None, 1, 3, 4):
            with contextlib.suppress(CompileError):  # not every network can be streamed so
                out[f"{path.stem}-{frames or 'whole'}"] = compile_tflite(path, frames=frames).blob
    sys.path.insert(0, str(TESTS / "core"))
    from tiny import listening_model

    out["tiny"] = listening_model()
    small = {f"{name}-coded": coded(data) for name, data in out.items()}
    return {name: data for name, data in {**out, **small}.items() if len(data) <= LARGEST}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.twm"):
        old.unlink()
    for name, data in seeds().items():
        (folder / f"{name}.twm").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
