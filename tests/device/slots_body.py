# SPDX-License-Identifier: MIT
# ruff: noqa: I001, SIM105, PTH102, PTH104, PTH107, PTH116, PTH123, PTH208, UP031
"""firmware/app/swap.py on a flash chip whose power fails at every write: run on any target with VfsLfs2 or VfsFat.

The chip is RAM; a cut leaves the block half written. The last line printed is the result.
"""

import os

import vfs
from tinywake import slots, swap

BLOCK, BLOCKS = 512, 128
ERASED = b"\xff" * BLOCK
SIZES = (1500, 700, 2300)  # of the models, by generation


class Chip:
    """A block device for both of MicroPython's interfaces, whose power fails at one of its writes and stays away."""

    def __init__(self, data=None):
        self.data = bytearray(data or BLOCK * BLOCKS)
        self.writes = 0
        self.cut_at = -1
        self.dead = False

    def readblocks(self, block, buf, offset=0):
        if self.dead:
            return -5
        at = block * BLOCK + offset
        buf[:] = memoryview(self.data)[at : at + len(buf)]
        return 0

    def writeblocks(self, block, buf, offset=0):
        return self._write(block * BLOCK + offset, buf)

    def ioctl(self, op, arg):
        if op == 4:
            return BLOCKS
        if op == 5:
            return BLOCK
        if op == 6:
            return self._write(arg * BLOCK, ERASED)
        return 0

    def _write(self, at, data):
        self.dead = self.dead or self.writes == self.cut_at
        if self.dead:
            if TORN and self.writes == self.cut_at:
                half = len(data) // 2
                self.data[at : at + half] = data[:half]
                self.writes += 1
            return -5
        self.writes += 1
        self.data[at : at + len(data)] = data
        return 0


def content(generation):
    """A model's bytes; told apart and known to be whole by themselves."""
    return bytes((generation * 37 + i * 11) & 255 for i in range(SIZES[generation % len(SIZES)]))


def exchange(generation):
    """What deploy does to a board, in its order."""
    path = swap.spare("model") + "/g%d.twm" % generation
    for directory in (slots.ROOT, path.rpartition("/")[0]):
        try:
            os.mkdir(directory)
        except OSError:
            os.stat(directory)
    swap.forget(path.rpartition("/")[0])
    for name in os.listdir(path.rpartition("/")[0]):
        os.remove(path.rpartition("/")[0] + "/" + name)
    data = content(generation)
    with open(path + "~", "wb") as file:
        for at in range(0, len(data), 300):
            file.write(data[at : at + 300])
    os.rename(path + "~", path)
    with open(path, "rb") as file:
        assert file.read() == data
    swap.select("model", path)
    swap.clean("model")


def heard(generations):
    """Which generation the board would listen with: the first of its paths that is whole."""
    for path in slots.paths("model"):
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            continue
        for generation in generations:
            if data == content(generation):
                return generation
    return None


def missing():
    """What the record names that is not there."""
    lost = []
    for path in slots.paths("model"):
        try:
            os.stat(path)
        except OSError:
            lost.append(path)
    return lost


def on(chip, kind, call, *args):
    vfs.mount(kind(chip), "/chip")
    os.chdir("/chip")
    try:
        return call(*args)
    finally:
        os.chdir("/")
        vfs.umount("/chip")


def cut_everywhere(kind, image, old, new):
    """Swap `old` for `new`, the power failing at the first write, then at the second, and so on."""
    cuts = 0
    while True:
        chip = Chip(image)
        chip.cut_at = cuts
        try:
            on(chip, kind, exchange, new)
            failed = False
        except OSError:
            failed = True
        if not chip.dead:
            assert not failed
            break
        after = Chip(chip.data)
        found = on(after, kind, heard, (old, new))
        assert found is not None or old is None, "cut %d of %s -> %s: no model" % (cuts, old, new)
        lost = on(after, kind, missing)
        assert not lost, "cut %d of %s -> %s: the record names %s" % (cuts, old, new, lost)
        on(after, kind, exchange, new)  # and the next deploy mends it
        assert on(after, kind, heard, (new,)) == new
        cuts += 1
    return chip, cuts


def run(kind):
    chip = Chip()
    kind.mkfs(chip)
    total, old = 0, None
    for new in range(5):
        done, cuts = cut_everywhere(kind, chip.data, old, new)
        assert on(Chip(done.data), kind, heard, (new,)) == new
        total += cuts
        chip, old = Chip(done.data), new
    return total


def fill():
    """Files until there is room for not one byte more."""
    count = 0
    for size in (4 * BLOCK, BLOCK, 16, 1):
        while True:
            name = "fill.%d" % count
            try:
                with open(name, "wb") as file:
                    file.write(bytes(size))
                count += 1
            except OSError:
                try:
                    os.remove(name)
                except OSError:
                    pass
                break
    with open("fill.0", "ab") as file:
        try:
            while True:
                file.write(bytes(16))
        except OSError:
            return count


def forget_when_full(kind):
    """Bug: no block was left for a record, and to forget a second choice failed with 28. It gives its own blocks."""
    chip = Chip()
    kind.mkfs(chip)
    for generation in range(2):
        on(chip, kind, exchange, generation)
    before = on(chip, kind, slots.paths)
    try:
        on(chip, kind, fill)
    except OSError:
        pass  # at the end of its `with`, too
    on(chip, kind, swap.forget, before[1].rpartition("/")[0])
    assert on(chip, kind, slots.paths) == before[:1]
    assert on(chip, kind, heard, (0, 1)) == 1


TORN = True
print("lfs2: %d cuts, torn" % run(vfs.VfsLfs2))
TORN = False
print("lfs2: %d cuts" % run(vfs.VfsLfs2))
print("fat: %d cuts" % run(vfs.VfsFat))
for full in (vfs.VfsLfs2, vfs.VfsFat):
    forget_when_full(full)
print("TINYWAKE-TEST: passed")
