# SPDX-License-Identifier: MIT
"""What decoding a coded model costs a board: the figures in docs/coding.md and _DECODING in device/bill.py.

.venv/bin/python tests/bench/coding.py CODED.twm TARGET...
"""

from __future__ import annotations

import sys
from pathlib import Path

from tinywake.coded import decoded
from tinywake.device.bench import COUNTER
from tinywake.device.connect import connected
from tinywake.device.line.rawrepl import RawRepl

_CODE = """
import gc
import _tinywake, tinywake
def free():
    gc.collect()
    return gc.mem_free()
import _tinywake_huf as huf
before = free()
from tinywake import coded
module = before - free()
file = open({name!r}, "rb")
data = file.read()
file.seek(0)
state = bytearray(huf.STATE)
image = bytearray(huf.begin(state, data, len(data)))
decode = cost(huf.push, state, data, 16, len(data), image)
if not huf.done(state):
    raise ValueError
native = _tinywake.Model(image)
verify = cost(native.verify)
opened = cost(_tinywake.Model, image)
native = data = image = None
before = free()
gc.disable()
image, sha = coded.from_file(file)
most = before - gc.mem_free()
gc.enable()
kept = before - free()
answer({{"unit": unit, "decode": decode, "verify": verify, "open": opened, "state": huf.STATE,
        "module": module, "most": most, "kept": kept, "image": len(image)}})
"""


def main(model: Path, targets: list[str]) -> None:
    """Print a line for each target."""
    size, stored = len(decoded(model.read_bytes())), model.stat().st_size
    print(f"{model.name}: {stored:,} bytes coded, {size:,} decoded")
    for target in targets:
        with connected(target, model, counting=True) as board, RawRepl(board.port, timeout=600) as repl:
            repl.reset()
            said = repl.ask(COUNTER + _CODE.format(name=f"tinywake-models/model.a/{model.name}"))
        each = said["decode"] / size
        print(f"{target}: decode {said['decode']:,} {said['unit']}, {each:.1f} a byte of the image; checksum "
              f"{said['verify']:,}; open {said['open']:,}; decoder {said['state']} bytes; heap: coded.py "
              f"{said['module']:,}, while decoding {said['most'] - said['image']:,} beside the image, "
              f"{said['kept'] - said['image']:,} of them kept")  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
