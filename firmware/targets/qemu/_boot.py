# SPDX-License-Identifier: MIT
# Frozen into the firmware and run first: the file system, made where the disk has none, as boards do.
import qemu
import vfs

try:
    vfs.mount(vfs.VfsLfs2(qemu.disk, progsize=256), "/")
except OSError:
    vfs.VfsLfs2.mkfs(qemu.disk, progsize=256)
    vfs.mount(vfs.VfsLfs2(qemu.disk, progsize=256), "/")
