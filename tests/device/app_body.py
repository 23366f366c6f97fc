# SPDX-License-Identifier: MIT
# ruff: noqa: PTH102, PTH106, PTH107, PTH123, UP031, PT017, PT018
"""The app under MicroPython: the same body on every target, with whatever model the target has.

It needs the package tinywake, the module _tinywake and a model on the target, and a writable working
directory. The last line it prints is the result.
"""

import array
import gc
import os
import sys

import _tinywake
import micropython
from each_test import each_test
from tinywake.link import LIMIT, Link, escape
from tinywake.port import port
from tinywake.report import Report

import tinywake
from tinywake import main

WAV = "app_body.wav"
WAV_HEAD = 44  # bytes before the samples
SAMPLES = 12000
SETTLED = 5  # buffers after which nothing may allocate


def make_wav(path):
    """Noise in bursts: a quarter of a second almost silent, one loud, one almost silent."""
    piece = array.array("h", bytes(2 * 400))
    seed = 1
    with open(path, "wb") as file:
        file.write(wav_bytes(b"", length=2 * SAMPLES))
        for start in range(0, SAMPLES, len(piece)):
            for i in range(len(piece)):
                seed = (seed * 75 + 74) % 65537
                piece[i] = (seed - 32768 if seed < 65536 else 0) >> (0 if start // 4000 % 2 else 9)
            file.write(piece)


def wav_bytes(pcm, rate=16000, channels=1, bits=16, tag=1, extra=b"", length=None):
    data = bytes(pcm)
    fmt = bytearray(16)
    fmt[0], fmt[2], fmt[12], fmt[14] = tag, channels, channels * bits // 8, bits
    fmt[4:8] = rate.to_bytes(4, "little")
    fmt[8:12] = (rate * channels * bits // 8).to_bytes(4, "little")
    body = b"WAVE" + extra + b"fmt " + (16).to_bytes(4, "little") + bytes(fmt)
    body += b"data" + (len(data) if length is None else length).to_bytes(4, "little") + data
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def save(path, *parts):
    with open(path, "wb") as file:
        for data in parts:
            file.write(data)


class Tape:
    """A serial link that keeps all lines without allocating, or takes only what `room` allows."""

    def __init__(self):
        self.data = bytearray(2500 + 2500 * len(MODEL.labels))
        self.size = 0
        self.room = -1

    def write(self, buf, start, end, wait_ms):
        count = end - start
        if self.room >= 0:
            count = min(count, self.room)
            self.room -= count
        for i in range(count):
            self.data[self.size + i] = buf[start + i]
        self.size += count
        return count

    def lines(self):
        text = bytes(self.data[: self.size]).decode()
        assert text == "" or text.endswith("\r\n")
        out = []
        for line in text.split("\r\n")[:-1]:
            assert len(line) <= LIMIT
            body, check = line.rsplit("*", 1)
            assert int(check, 16) == _tinywake.crc16(body.encode(), 0, len(body))
            out.append(body)
        return out


def listen(score="all", mic=None, on_hit=None, tape=None, **gate):
    """A listener on the test's wav, its report on a tape."""
    tape = tape or Tape()
    listener = tinywake.Listener(MODEL, on_hit, mic or port.microphone(WAV, False), **gate)
    listener.report = Report(Link(tape.write), MODEL, listener.native, score)
    return listener, tape


def scores(lines):
    return [line for line in lines if line.startswith("@score")]


def raises(kind, call, *args):
    try:
        call(*args)
    except kind as error:
        return str(error)
    raise AssertionError("%s expected" % kind.__name__)


def test_crc():
    assert _tinywake.crc16(b"123456789", 0, 9) == 0x29B1
    assert _tinywake.crc16(b"x123456789x", 1, 10) == 0x29B1
    assert _tinywake.crc16(b"", 0, 0) == 0xFFFF


def test_line_bytes():
    tape = Tape()
    link = Link(tape.write)
    link.begin(b"@hit label=yes")
    link.number(b" t=", 128340)
    link.number(b" zero=", 0)
    assert link.end()
    assert bytes(tape.data[: tape.size]) == b"@hit label=yes t=128340 zero=0*2f6a\r\n"


def test_escape():
    assert escape("ok computer") == b"ok%20computer"
    assert escape("a%b*c=d@e~") == b"a%25b%2ac%3dd%40e%7e"
    assert escape("") == b""
    assert escape("\u00e9" * 30) == b"%c3%a9" * 6
    assert len(escape("x" * 100)) == 40


def test_full_output_drops_whole_lines():
    tape = Tape()
    link = Link(tape.write)

    def say(value):
        link.begin(b"@x n=")
        link.number(b"", value)
        return link.end()

    assert say(1)
    tape.room = 0
    assert not say(2)
    assert not say(3)
    assert link.dropped == 2
    tape.room = 4  # part of a line: the rest goes first, later
    assert say(4)
    assert not say(5)
    assert link.dropped == 3
    tape.room = -1
    assert say(6)
    assert tape.lines() == ["@x n=1", "@x n=4", "@x n=6"]


def test_long_line_is_never_sent():
    tape = Tape()
    link = Link(tape.write)
    for size, sent in ((LIMIT - 5, True), (LIMIT - 4, False), (LIMIT + 50, False), (20, True)):
        link.begin(b"@" + b"x" * (size - 1))
        assert link.end() == sent
    assert link.dropped == 2
    assert [len(line) for line in tape.lines()] == [LIMIT - 5, 20]


def test_wav_headers():
    pcm = bytes(1400)
    odd = b"LIST" + (3).to_bytes(4, "little") + b"abc\0"
    buf = bytearray(640)
    for data, size in (
        (wav_bytes(pcm), 1400),
        (wav_bytes(pcm, extra=odd), 1400),
        (wav_bytes(pcm, length=0), 1400),
        (wav_bytes(pcm, length=0xFFFFFFFF), 1400),
        (wav_bytes(pcm)[:-101], 1298),
        (wav_bytes(b""), 0),
    ):
        save("head.wav", data)
        mic = port.microphone("head.wav", False)
        mic.open()
        mic.open()
        total = 0
        count = mic.readinto(buf)
        while count:
            total += count
            count = mic.readinto(buf)
        assert total == size, (total, size)
        mic.close()
        mic.close()
    for data in (
        b"",
        b"RIFF",
        wav_bytes(pcm)[:20],
        wav_bytes(pcm, rate=8000),
        wav_bytes(pcm, channels=2),
        wav_bytes(pcm, bits=8),
        wav_bytes(pcm, tag=3),
        b"RIFX" + wav_bytes(pcm)[4:],
    ):
        save("head.wav", data)
        assert raises(ValueError, port.microphone("head.wav", False).open).startswith("head.wav: not ")
    os.remove("head.wav")
    raises(OSError, port.microphone("head.wav", False).open)


def test_any_split_gives_the_same():
    want = None
    for size in (5000, 1, 319, 320, 321):
        listener, tape = listen()
        hits = 0
        with open(WAV, "rb") as file:
            file.seek(WAV_HEAD)
            part = file.read(2 * size)
            while part:
                hits += listener.feed(part)
                part = file.read(2 * size)
        listener.report.end(0)
        got = tape.lines()
        assert len(scores(got)) >= SAMPLES // listener.native.step_samples - 4  # less the first window
        want = want or (hits, got)
        assert (hits, got) == want, size
    listener, tape = listen()
    part = array.array("h", bytes(2 * 1000))  # two-byte items
    with open(WAV, "rb") as file:
        file.seek(WAV_HEAD)
        while file.readinto(part):
            hits -= listener.feed(part)
    assert hits == 0
    assert scores(tape.lines()) == scores(want[1])
    # Bug: half a sample was dropped, and all that was fed after it was noise.
    assert raises(ValueError, listener.feed, bytes(3)) == "3 bytes: a sample has two"


def test_every_way_of_listening_hears_the_same():
    heard = []
    listener, tape = listen(on_hit=lambda hit: heard.append((hit.t_ms, hit.label, hit.score)))
    listener.run()
    want = tape.lines()
    assert want[0].startswith("@state v=1 state=listening") and want[-1].startswith("@state v=1 state=stopped")
    assert want[-2].startswith("@end ") and (" hits=%d " % len(heard)) in want[-2]
    assert (" steps=%d " % (len(scores(want)) // sum(MODEL.native.wake))) in want[-2]

    listener, tape = listen()
    found = [(hit.t_ms, hit.label, hit.score) for hit in listener]
    assert found == heard and tape.lines() == want

    import asyncio

    found = []
    turns = [0]

    async def other():
        while True:
            turns[0] += 1
            await asyncio.sleep_ms(0)

    async def hear():
        task = asyncio.create_task(other())
        async for hit in listener:
            found.append((hit.t_ms, hit.label, hit.score))
        task.cancel()

    listener, tape = listen()
    asyncio.run(hear())
    assert found == heard and tape.lines() == want
    assert turns[0] > 10

    listener.run()  # again, afresh: a listener may be used twice
    assert tape.lines()[len(want) :] == want


def state_lines(lines):
    return [line for line in lines if line.startswith("@state")]


def test_the_first_state_is_a_start():
    # Bug: with the real module the time before the first step is that part of a window which no step has.
    listener, tape = listen()
    listener.run()
    listener.run()
    for line in state_lines(tape.lines())[::2]:
        assert " state=listening " in line and " t=0 steps=0 hits=0 " in line, line
    save("none.wav", wav_bytes(b""))
    listener, tape = listen(mic=port.microphone("none.wav", False))
    listener.run()
    os.remove("none.wav")
    assert [line.split(" t=")[1] for line in tape.lines() if line.startswith("@end")] == ["0 steps=0 hits=0 lost=0"]


class Broken:
    """A microphone that fails after a while."""

    def __init__(self):
        self.lost = 0
        self.closed = False
        self._left = 3

    def open(self):
        self.closed = False

    def close(self):
        self.closed = True

    def due_ms(self, count):
        return 0

    def readinto(self, buf):
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt
        return len(buf)


def test_iterating_releases_the_microphone_on_an_exception():
    # Bug: it stayed on.
    import asyncio

    async def hear(listener):
        async for _ in listener:
            pass

    for iterate in (list, lambda listener: asyncio.run(hear(listener))):
        listener, tape = listen(mic=Broken())
        raises(KeyboardInterrupt, iterate, listener)
        assert not listener.listening and listener.mic.closed
        assert " state=stopped " in tape.lines()[-1]


class I2S:
    """machine.I2S, with a callback that may be pending when it is closed."""

    RX = MONO = 0

    def __init__(self, id, **options):
        self.ibuf = options["ibuf"]
        self.reads = 0

    def irq(self, callback):
        self.callback = callback

    def readinto(self, buf):
        self.reads += 1
        return len(buf)

    def deinit(self):
        pass


class Machine:
    I2S = I2S
    Pin = int


class Clock:
    now = 0

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, a, b):
        return a - b

    def sleep_ms(self, ms):
        """Time passes where a test says so, as it does in readinto."""


def i2s_microphone(**options):
    from tinywake.port.machine import i2s

    i2s.machine = Machine
    clock = Clock()
    mic = {"id": 0, "sck": 1, "ws": 2, "sd": 3, "bits": 16}
    mic.update(options)
    return i2s.I2SMicrophone(clock, mic), clock


def test_i2s_ring_is_as_long_as_it_says():
    # Bug: the ring was sized for the samples asked for; the driver keeps 8 bytes of each frame.
    for bits in (16, 32):
        mic, _ = i2s_microphone(ring_ms=100, bits=bits)
        mic.open()
        assert mic._i2s.ibuf == 100 * 16 * 8


def test_i2s_counts_what_the_ring_cannot_hold():
    mic, clock = i2s_microphone(ring_ms=100)
    buf = bytearray(640)  # 20 ms
    mic.open()
    for _ in range(100):
        clock.now += 20
        mic.readinto(buf)
    assert mic.lost == 0
    clock.now += 95  # within the ring
    for _ in range(6):
        mic.readinto(buf)
    assert mic.lost == 0
    clock.now += 115  # Bug: what the next buffer takes was counted as room, which it is not while nobody reads
    mic.readinto(buf)
    assert abs(mic.lost - 15 * 16) < 32, mic.lost
    mic.open()
    clock.now += 100
    mic.readinto(buf)
    for _ in range(4):
        mic.readinto(buf)
    assert mic.lost == 0
    clock.now += 400
    mic.readinto(buf)
    assert abs(mic.lost - 300 * 16) < 150, mic.lost
    mic.open()
    assert mic.lost == 0
    for _ in range(100):  # Bug: half of the audio is lost although no single wait is longer than the ring
        clock.now += 40
        mic.readinto(buf)
    assert abs(mic.lost - (2000 - 100) * 16) < 1200, mic.lost


def test_i2s_sleeps_until_just_before_its_samples_are_due():
    # Bug: the driver's own wait is a loop, and the processor was never idle.
    mic, clock = i2s_microphone()
    naps = []
    clock.sleep_ms = naps.append
    buf = bytearray(640)  # 20 ms
    mic.open()
    mic.readinto(buf)
    clock.now += 20
    mic.readinto(buf)  # all is there
    clock.now += 5
    mic.readinto(buf)
    assert naps == [19, 14], naps


def test_i2s_callback_after_stop_does_nothing():
    # Bug: what was scheduled when stop() closed the microphone read from it, and sent lines.
    mic, clock = i2s_microphone()
    listener, tape = listen(mic=mic)
    listener.start()
    i2s = mic._i2s
    clock.now += 20
    i2s.callback(i2s)
    assert i2s.reads == 2 and listener.listening
    listener.stop()
    said = tape.size
    i2s.callback(i2s)
    listener._heard_audio(640)
    listener._heard_audio(0)
    assert i2s.reads == 2 and tape.size == said
    listener.start()
    i2s.callback(i2s)  # of the one before
    assert i2s.reads == 2 and mic._i2s.reads == 1
    listener.stop()


def test_the_model_of_the_selected_slot_is_found_first():
    from tinywake import slots, swap

    assert slots.paths() == []
    path = swap.spare() + "/x.twm"
    swap.select("model", path)
    try:
        assert slots.paths() == [path]
        assert port.find_model() == MODEL_PATH  # the file is not there
        os.mkdir(path.rsplit("/", 1)[0])
        save(path, b"x")
        assert port.find_models() == [path, MODEL_PATH]
        assert bytes(port.read_file("x.twm")) == b"x"
    finally:
        swap.select("model", None)
        assert swap.clean() == [path]
        for name in ("/model.a", "/select.0", "/select.1"):
            (os.rmdir if name == "/model.a" else os.remove)(slots.ROOT + name)
        os.rmdir(slots.ROOT)


def test_digest():
    assert port.digest(b"abc") == b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_background():
    listener, tape = listen()
    try:
        listener.start()
    except RuntimeError as error:
        assert "run()" in str(error) and not listener.listening
        return
    raises(RuntimeError, listener.feed, b"\0\0")
    for _ in range(3000):
        if not listener.listening:
            break
        port.sleep_ms(1)
    again, other = listen()
    again.run()
    assert tape.lines() == other.lines()


def test_exception_from_on_hit_stops():
    def fail(hit):
        raise KeyError("user")

    heard = []
    listener, tape = listen(on_hit=heard.append)
    listener.run()
    if heard:
        listener, tape = listen(on_hit=fail)
        raises(KeyError, listener.run)
        assert not listener.listening and "state=stopped" in tape.lines()[-1]


class LockedMicrophone:
    """The wav; from the SETTLED'th buffer to the last the heap is locked: allocating raises MemoryError."""

    def __init__(self):
        self.lost = 0
        self.allocated = -1
        self._wav = port.microphone(WAV, False)
        self._buffers = 0
        self._locked = False

    def open(self):
        self._wav.open()

    def close(self):
        if self._locked:
            self._locked = False
            micropython.heap_unlock()
        self._wav.close()

    def due_ms(self, count):
        return self._wav.due_ms(count)

    def readinto(self, buf):
        self._buffers += 1
        if self._buffers == SETTLED:
            gc.collect()
            self.allocated = gc.mem_alloc()
            micropython.heap_lock()
            self._locked = True
        if self._buffers == SETTLED + 20:
            self.lost += 100
        count = self._wav.readinto(buf)
        if not count:
            self._locked = False
            micropython.heap_unlock()
            self.allocated = gc.mem_alloc() - self.allocated
        return count


def test_no_allocation():
    for score in ("off", "live", "all"):
        mic = LockedMicrophone()
        listener, tape = listen(score, mic)
        listener.run()
        lines = tape.lines()
        assert mic.allocated == 0, (score, mic.allocated)
        assert any(line.startswith("@lost") and " samples=100 " in line for line in lines)
        assert any(line.startswith("@level") for line in lines)
        assert bool(scores(lines)) == (score != "off")


def test_a_gate_lets_no_step_out():
    listener, plain = listen()
    listener.run()
    for gate in ("energy", 255, MODEL_PATH):
        listener, tape = listen(gate=gate, hold_ms=0)
        listener.run()
        asleep = [line for line in scores(tape.lines()) if " awake=0" in line]
        assert len(scores(tape.lines())) == len(scores(plain.lines())), gate
        assert asleep or gate == "energy", gate
        assert all(" score=0 " in line for line in asleep)
    assert not any(" awake=" in line for line in plain.lines())
    raises(ValueError, lambda: tinywake.Listener(MODEL, gate=MODEL))


def test_no_allocation_behind_a_gate():
    for gate in (255, MODEL_PATH):
        mic = LockedMicrophone()
        listener, _ = listen("all", mic, gate=gate)
        listener.run()
        assert mic.allocated == 0, (gate, mic.allocated)


def test_no_allocation_on_the_real_link():
    mic = LockedMicrophone()
    listener = tinywake.Listener(MODEL, None, mic)
    listener.report = Report(Link(port.write), MODEL, listener.native, "live")
    listener.run()
    assert mic.allocated == 0, mic.allocated


def test_no_allocation_while_no_command_comes():
    from tinywake.inbox import Inbox

    calls = []
    mic = LockedMicrophone()
    listener, _ = listen("live", mic)
    inbox = Inbox(port.read_byte, calls.append)
    noise = Inbox(iter_bytes(b"@stop id=1*00"), calls.append)  # half a line, again and again

    def both():
        inbox.poll()
        noise.poll()

    listener.between = both
    listener.run()
    assert mic.allocated == 0, mic.allocated
    assert calls == []


def iter_bytes(data):
    """A read() that gives these bytes over and over, never nothing."""
    at = [0]

    def read():
        at[0] = (at[0] + 1) % len(data)
        return data[at[0] - 1]

    return read


def test_paced_takes_as_long_as_it_lasts():
    save("short.wav", wav_bytes(b"", length=6400), bytes(6400))
    began = port.ticks_ms()
    listener, _ = listen(mic=port.microphone("short.wav", True))
    listener.run()
    took = port.ticks_diff(port.ticks_ms(), began)
    os.remove("short.wav")
    assert took >= 199, took


def test_model():
    net = tinywake.Model(MODEL_PATH)
    assert net.labels == MODEL.labels and net.ops > 0
    raises(ValueError, net.load, b"")
    raises(ValueError, tinywake.Model, bytearray(64))


def test_main():
    raises(OSError, main.load, "missing.twm")
    listener = main.load(MODEL_PATH, score="off")
    main.run(mic=WAV, paced=False)
    assert not listener.listening and main.listener is listener and listener.report.steps > 0
    steps = listener.report.steps
    main.run(mic=WAV, paced=False)
    assert listener.report.steps == steps


def nothing(_):
    """What takes the place of a call."""


def tidy():
    """Let go of what a test has left behind, where a heap is small: the app's listener, asyncio's last task, and what
    stands in the scheduler's queue of calls that have been made."""
    main.listener = None
    if "asyncio" in sys.modules:
        sys.modules["asyncio"].new_event_loop()
    for _ in range(8):
        micropython.schedule(nothing, None)
        port.sleep_ms(0)
    gc.collect()


MODEL_PATH = port.find_model()
MODEL = tinywake.Model(MODEL_PATH)
make_wav(WAV)
each_test(globals(), tidy)
os.remove(WAV)
