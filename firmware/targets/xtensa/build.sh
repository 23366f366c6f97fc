#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Build the board with an ESP32's calling convention: the QEMU port for an Xtensa board. Quick when nothing has changed.
#
#   build.sh            build/targets/qemu/xtensawin.elf
#
# qemu-system-xtensa -M kc705-nommu -cpu de212 runs it; with -icount shift=10 it counts instructions exactly.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../common.sh
source "$here/../common.sh"

toolchain=$("$here/toolchain.sh")
read -r prefix plugin headers <<< "$toolchain"
need "${prefix}gcc" python3

make_mpy_cross
elf=$cache/target-qemu-xtensawin-$(key "$toolchain $("${prefix}gcc" --version)" "$here"/* "$here"/../qemu/* \
    "$repo/firmware/module/natmod_xtensa.c")/firmware.elf
if [ ! -f "$elf" ]; then
    say "building MicroPython for QEMU (xtensawin) in $cache"
    begin_work
    [ -z "$plugin" ] || export XTENSA_GNU_CONFIG=$plugin
    logged "the QEMU board (xtensawin)" "$work/qemu.log" make -C "$here" -j "$jobs" MPY_DIR="$mpy_dir" XTENSA="$prefix" \
        XTENSA_LIBC="$headers" BUILD="$work/qemu" FROZEN_MANIFEST="$here/../qemu/manifest.py" \
        MICROPY_MPYCROSS="$mpy_cross" MICROPY_MPYCROSS_DEPENDENCY=
    publish "$work/qemu/firmware.elf" "$elf"
fi
show "$elf" qemu/xtensawin.elf
