#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Build the emulated Raspberry Pi Pico: MicroPython's rp2 port as it runs on the board, and rp2040js to run it.
#
#   build.sh emulator    build/targets/rp2040/emulator      run.mjs and the mask ROM's stand-in
#   build.sh firmware    build/targets/rp2040/firmware.uf2  RPI_PICO; README.md says what stock firmware has besides
#   build.sh usermod     build/targets/rp2040/usermod.uf2   with _tinywake compiled in
#   build.sh image       build/targets/rp2040/image.uf2     with app and pins frozen as well: it wants only a model
#
# Quick when nothing has changed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=firmware/targets/common.sh
source "$here/../common.sh"
# shellcheck source=firmware/targets/rp2040/sources.sh
source "$here/sources.sh"

variant=${1:-firmware}
core=("$repo"/firmware/module/{modtinywake.c,modpdm.c,modrec.c,micropython.cmake} "$repo"/firmware/core/*.{c,h,cmake})
arm='arm-none-eabi-'
need cmake python3 ${arm}gcc

if [ "$variant" = emulator ]; then
    need node npm
    npm=("$here"/package.json "$here"/package-lock.json)
    rom=("$here"/rom.{c,S,ld})
    emulator=$cache/target-rp2040-emulator-$(key "$(node --version; ${arm}gcc --version)" "${npm[@]}" "${rom[@]}" "$here"/*.mjs)
    if [ ! -d "$emulator" ]; then
        say "installing rp2040js in $cache"
        begin_work
        mkdir "$work/emulator"
        cp "${npm[@]}" "$here"/*.mjs "$work/emulator"
        logged "the emulated Pico" "$work/npm.log" npm --prefix "$work/emulator" ci --no-audit --no-fund
        logged "the mask ROM's stand-in" "$work/rom.log" ${arm}gcc -std=gnu11 -mcpu=cortex-m0plus -mthumb -Os -Wall -Wextra \
            -Wconversion -Wmissing-prototypes -Wno-override-init -Werror -ffreestanding -fno-tree-loop-distribute-patterns \
            -nostdlib -T "$here/rom.ld" -o "$work/rom.elf" "$here/rom.S" "$here/rom.c" -lgcc
        ${arm}objcopy -O binary "$work/rom.elf" "$work/emulator/rom.bin"
        [ -d "$emulator" ] || publish "$work/emulator" "$emulator" # another run may have been quicker
    fi
    show "$emulator" rp2040/emulator
    exit
fi

inputs=("$here/build.sh" "$here/sources.pins" "$here/manifest.py")
manifest=$here/manifest.py
options=()
case $variant in
    firmware) ;;
    usermod | image)
        inputs+=("${core[@]}")
        ;;
    *) die "no variant '$variant' (emulator, firmware, usermod, image)" ;;
esac
if [ "$variant" = image ]; then
    manifest=$here/image/manifest.py
    inputs+=("$here"/image/*.py "$repo"/firmware/app/*.py "$repo"/firmware/app/port/{,*/}*.py "$repo/boards/RPI_PICO/board.py")
fi

make_mpy_cross
firmware=$cache/target-rp2040-$variant-$(key "$(${arm}gcc --version)" "${inputs[@]}")/firmware.uf2
if [ ! -f "$firmware" ]; then
    make_tree
    say "building MicroPython for the Raspberry Pi Pico ($variant) in $cache"
    begin_work
    if [ "$variant" != firmware ]; then # a copy: what is edited meanwhile is not half in
        mkdir "$work/sources"
        cp -r "$repo/firmware/module" "$repo/firmware/core" "$work/sources"
        options+=("-DUSER_C_MODULES=$work/sources/module/micropython.cmake")
    fi
    if [ "$variant" = image ]; then
        mkdir -p "$work/frozen"
        cp -r "$repo/firmware/app" "$work/frozen/tinywake"
        rm -rf "$work"/frozen/tinywake/{,*/,*/*/}__pycache__
        cp "$repo/boards/RPI_PICO/board.py" "$work/frozen/tinywake/pins.py"
        options+=("-DMICROPY_MANIFEST_TINYWAKE_FROZEN=$work/frozen")
    fi
    # The SDK takes the linker for C++; nothing of that library is in the firmware, so an empty one does.
    mkdir "$work/empty"
    ${arm}ar rcs "$work/empty/libstdc++.a"
    export LDFLAGS=-L$work/empty CXXFLAGS=-DPICO_CXX_DISABLE_ALLOCATION_OVERRIDES=1
    # The date that the prompt shows: that of the source.
    SOURCE_DATE_EPOCH=$(python3 -c 'import os, sys; print(int(os.stat(sys.argv[1]).st_mtime))' "$mpy_dir/py/mpconfig.h")
    export SOURCE_DATE_EPOCH MICROPY_MPYCROSS=$mpy_cross
    logged "the Pico's firmware ($variant)" "$work/cmake.log" cmake -S "$tree/ports/rp2" -B "$work/build" \
        -DPICO_BUILD_DOCS=0 -DPICO_NO_PICOTOOL=1 -DMICROPY_BOARD=RPI_PICO -DMICROPY_FROZEN_MANIFEST="$manifest" \
        ${options[@]+"${options[@]}"}
    logged "the Pico's firmware ($variant)" "$work/make.log" make -C "$work/build" -j "$jobs"
    logged "the Pico's firmware ($variant)" "$work/uf2.log" python3 "$tree/tools/uf2conv.py" --base 0x10000000 \
        --family 0xe48bff56 --convert --output "$work/firmware.uf2" "$work/build/firmware.bin"
    publish "$work/firmware.uf2" "$firmware"
fi
show "$firmware" "rp2040/$variant.uf2"
