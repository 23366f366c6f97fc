#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Build the boards that QEMU emulates: our small port of MicroPython for three of its machines. Quick when nothing has
# changed.
#
#   build.sh armv6m     build/targets/qemu/armv6m.elf    MPS2 AN385: Armv6-M code on a Cortex-M3, which counts well
#   build.sh armv7em    build/targets/qemu/armv7em.elf   MPS2 AN386: a Cortex-M4 with DSP instructions and floats
#   build.sh microbit   build/targets/qemu/microbit.elf  BBC micro:bit: a Cortex-M0, which knows no other instructions
#   build.sh rv32imc    build/targets/qemu/rv32imc.elf   QEMU's RISC-V machine with an RV32IMC core
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../common.sh
source "$here/../common.sh"

variant=${1:-armv6m}
case $variant in
    armv6m) machine=an385 compiler=arm-none-eabi-gcc ;;
    armv7em) machine=an386 compiler=arm-none-eabi-gcc ;;
    microbit) machine=microbit compiler=arm-none-eabi-gcc ;;
    rv32imc) machine=virt compiler=riscv64-unknown-elf-gcc ;;
    *) die "no variant '$variant' (armv6m, armv7em, microbit, rv32imc)" ;;
esac
need "$compiler" python3

make_mpy_cross
elf=$cache/target-qemu-$variant-$(key "$("$compiler" --version)" "$here"/*)/firmware.elf
if [ ! -f "$elf" ]; then
    say "building MicroPython for QEMU ($variant) in $cache"
    begin_work
    logged "the QEMU board ($variant)" "$work/qemu.log" make -C "$here" -j "$jobs" MPY_DIR="$mpy_dir" MACHINE="$machine" \
        BUILD="$work/qemu" FROZEN_MANIFEST="$here/manifest.py" MICROPY_MPYCROSS="$mpy_cross" MICROPY_MPYCROSS_DEPENDENCY=
    publish "$work/qemu/firmware.elf" "$elf"
fi
show "$elf" "qemu/$variant.elf"
