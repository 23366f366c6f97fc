# SPDX-License-Identifier: MIT
# ruff: noqa: E402, F821, I001, PTH123, SIM115
"""Heap of a board, step by step, and whether it grows while it listens: the same body on every target.

Before it runs: PATH of the model, HOME it shall have, CLIP (a wav file on the board), STEPS of audio, LEAD of a ROMFS
image. With HOME "romfs" a stand-in is mounted: an image in RAM, taken before anything is measured. The last line is
JSON.
"""

import gc
import json

SETTLED = 20  # buffers after which nothing may change
HEAD = 44  # bytes before the samples


def free():
    gc.collect()
    return gc.mem_free()


class Looped:
    """A microphone that plays a clip over and over, as fast as it is asked."""

    lost = 0

    def __init__(self, path, buffers):
        self.buffers = buffers
        self.taken = 0
        self.low = 1 << 29  # of the free heap while listening
        self.start = self.end = 0
        self._file = open(path, "rb")

    def open(self):
        self._file.seek(HEAD)

    def close(self):
        pass

    def readinto(self, buf):
        if self.taken == SETTLED:
            self.start = gc.mem_free()
        if self.taken >= SETTLED:
            self.end = gc.mem_free()
            if self.end < self.low:
                self.low = self.end
        if self.taken == self.buffers:
            return 0
        self.taken += 1
        while self._file.readinto(buf) < len(buf):  # the clip's rest is dropped
            self._file.seek(HEAD)
        return len(buf)


class Void:
    """The serial line of a reader that takes everything."""

    def __init__(self):
        self.bytes = 0

    def write(self, buf, start, end, wait_ms):
        self.bytes = (self.bytes + end - start) & 0xFFFFFFF
        return end - start


def mount(path):
    """An image like the ones that deploy writes, with the file where it is aligned. Returns the path in it."""
    import vfs

    global image  # it must outlive the mount
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        image = bytearray(len(LEAD) + size + 16)
        image[: len(LEAD)] = LEAD
        file.seek(0)
        file.readinto(memoryview(image)[len(LEAD) : len(LEAD) + size])
    vfs.mount(vfs.VfsRom(image), "/rom")
    return "/rom/" + path.rpartition("/")[2]


path = mount(PATH) if HOME == "romfs" else PATH
said = {"reset": free()}
import _tinywake

said["module"] = free()
said["reads_version"] = _tinywake.VERSION
import tinywake
from tinywake.link import Link
from tinywake.report import Report

said["app"] = free()
model = tinywake.Model(path)
model.verify()
said["model"] = free()
said["file_bytes"] = len(model.file)
said["arena_bytes"] = model.native.arena_bytes
listener = tinywake.Listener(model)
void = Void()
listener.report = Report(Link(void.write), model, listener.native, "live")
said["listener"] = free()
listener.mic = Looped(CLIP, STEPS)
hits = 0


def heard(hit):
    global hits
    hits += 1


listener.on_hit = heard
free()
gc.disable()  # whatever is allocated now stays to be seen
listener.run()
gc.enable()
mic = listener.mic
said.update(
    {
        "steps": mic.taken,
        "samples": mic.taken * len(listener._buffer) // 2,
        "start": mic.start,
        "end": mic.end,
        "low": mic.low,
        "hits": hits,
        "line_bytes": void.bytes,
        "after": free(),
    }
)
print(json.dumps(said))
