# SPDX-License-Identifier: MIT
# Frozen into the interpreter and run by `micropython -m unixboot`: from here on it is a board. The directory
# in UNIXBOARD_ROOT is its whole file system, stdin its serial port.
import os
import sys

import unixboard
import vfs

vfs.umount("/")
vfs.mount(vfs.VfsPosix(os.getenv("UNIXBOARD_ROOT")), "/")
os.chdir("/")
unixboard.run(sys.executable, "-X", "heapsize=" + os.getenv("UNIXBOARD_HEAP"), "-m", "unixboot")
