"""Time on an emulated Pico: what listening takes with all that belongs to it, and how long a native call lasts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tinywake.compiler.build import compile_tflite
from tinywake.compiler.manifest import read_manifest
from tinywake.device.bench import listening_on
from tinywake.device.connect import connected
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.rp2040 import RP2040Board

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from gated import streaming

lacking = RP2040Board.available()
pytestmark = pytest.mark.skipif(lacking is not None, reason=str(lacking))

CLOCK = 125_000_000
STEP = CLOCK * 30 // 1000  # cycles

# The two registers count what they say: between two looks, and over a sleep of 50 ms.
COUNTERS = """
import machine, time
mem = machine.mem32
def look(): return [mem[a] & 0xffffffff for a in (0xe0001004, 0xe0001010, 0x14000010, 0x1400000c)]
a = look(); time.sleep_ms(50); b = look()
for _ in range(1000): pass
c = look()
answer([[y - x & 0xffffffff for x, y in zip(*each)] for each in ((a, b), (b, c))])
"""

# Every native call while a gate opens again and again, and the queue behind it: the most cycles of each kind. The app's
# own loop, with a microphone that always has another buffer.
CALLS = """
import _tinywake, machine, gc
from tinywake.listener import Listener
from tinywake.port import port
mem = machine.mem32
most, least = {}, {}
def cycles(call, *args):
    gc.collect()
    began = mem[0xe0001004]
    said = call(*args)
    return mem[0xe0001004] - began & 0xffffffff, said
file = port.read_file('word.twm')
opening, model = cycles(_tinywake.Model, file)
checking, _ = cycles(model.verify)
per_byte = checking / len(file)
del file, model
class Timed:
    def __init__(self, native, name): self._native, self._name = native, name
    def __getattr__(self, name):
        found = getattr(self._native, name)
        if name not in ("run", "feed", "settle"): return found
        key = self._name + name
        def call(*args):
            began = mem[0xe0001004]
            said = found(*args)
            spent = mem[0xe0001004] - began & 0xffffffff
            if args and args[-1] == 0: return said
            most[key] = max(most.get(key, 0), spent)
            least[key] = min(least.get(key, spent), spent)
            return said
        return call
class Mic:
    lost = 0
    def __init__(self): self.seed, self.left = 1, 120
    def open(self): pass
    def close(self): pass
    def due_ms(self, count): return 0
    def readinto(self, buf):
        if not self.left: return 0
        self.left -= 1
        loud = self.left // 20 % 2
        for i in range(1, len(buf), 2):
            self.seed = (self.seed * 75 + 74) % 65537
            buf[i] = self.seed & 63 if loud else 0
        return len(buf)
listener = Listener('word.twm', mic=Mic(), gate=12, hold_ms=100)
steps, asleep, behind = 0, 0, 0
class Report:
    def state(self, name, lost): pass
    def hit(self, hit): pass
    def end(self, lost): pass
    def step(self, lost):
        global steps, asleep
        steps += 1
        asleep += not listener.native.awake
listener.report = Report()
native = listener.native
listener.native = Timed(native, "")
listener._networks = (None, Timed(listener.model.native, "word."), None, None)
listener._open()
gc.collect()
gc.disable()  # the counters' values are objects
while listener._fill():
    listener.drain()
    behind = max(behind, 120 - listener.mic.left - steps)
listener.stop()
answer([opening, checking, per_byte, most, least, steps, asleep, behind])
"""


def test_the_chip_counts_its_own_work(tmp_path: Path) -> None:
    with RP2040Board(cache=True) as board, RawRepl(board.port, 60) as repl:
        slept, worked = repl.ask(COUNTERS)
    cycles, asleep, _, _ = slept
    assert cycles == pytest.approx(50 * CLOCK / 1000, rel=0.05)
    assert 0.8 * cycles < asleep < cycles
    cycles, asleep, accesses, hits = worked
    assert asleep == 0
    assert 0 < hits <= accesses < cycles


def test_the_cache_keeps_two_lines_a_set() -> None:
    """Lines of 8 bytes, 8 kB apart in one set: the third puts out the one that was not used for longest."""
    program = """
const { Cache } = await import(process.argv[1]);
const cache = new Cache();
const misses = [0, 4, 8, 0x2000, 0, 0x4000, 0, 0x2000, 0x1000].map((offset) => {
  const before = cache.hits;
  cache.touch(0x10000000 + offset);
  return cache.hits === before;
});
cache.touch(0x13000000); // an alias that does not allocate
console.log(JSON.stringify([misses.map(Number), cache.accesses]));
"""
    counters = (RP2040Board.built("emulator") / "counters.mjs").resolve()
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program, str(counters)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[[1,0,1,1,0,1,0,1,1],9]"


@pytest.fixture(params=["small", "okay_nabu"])
def word(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A wake word of a few weights, and a published one."""
    model = tmp_path / "word.twm"
    if request.param == "small":
        model.write_bytes(streaming(3, (5, 4, 9, 6), seed=1))
    else:
        manifest = read_manifest(request.getfixturevalue("reference") / "micro-wake-word" / f"{request.param}.json")
        model.write_bytes(compile_tflite(manifest.network, listening=manifest.listening()).blob)
    return model


def test_no_native_call_lasts_longer_than_a_step(word: Path) -> None:
    with connected("rp2040", word, counting=True) as board, RawRepl(board.port, 120) as repl:
        repl.reset()
        opening, checking, per_byte, most, least, steps, asleep, behind = repl.ask(CALLS)
    assert steps == 119  # the first window takes more than a step
    assert 20 < asleep < 100
    assert behind >= 3, "no step was made up for"
    # One step's features, network or detector each, in a step's 3.75 M cycles of time.
    assert most["feed"] < 3 * 125_000
    assert most["word.run"] < 1.2 * least["word.run"] < 250_000
    assert most["settle"] < 20_000
    # Before it listens: docs/energy.md says from what size on the checksum, which is one call, takes longer.
    assert opening < STEP / 10
    assert checking < STEP
    assert per_byte < 62


@pytest.mark.parametrize("name", ["okay_nabu"])
def test_three_quarters_of_the_processor_are_left(name: str, reference: Path, tmp_path: Path) -> None:
    manifest = read_manifest(reference / "micro-wake-word" / f"{name}.json")
    model = tmp_path / f"{name}.twm"
    model.write_bytes(compile_tflite(manifest.network, listening=manifest.listening()).blob)
    with connected("rp2040", model, counting=True) as board:
        heard = listening_on(board.port, model.name)
    assert heard.hz == CLOCK
    assert heard.lost == 0
    assert 16_000_000 < heard.awake < 30_000_000 < CLOCK / 2
    assert 0 < heard.misses < heard.accesses < heard.awake
