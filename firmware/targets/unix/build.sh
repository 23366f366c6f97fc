#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Build the emulated unix board: MicroPython's unix port with our unixboard module. Quick when nothing has changed.
#
#   build.sh board      build/targets/unix/micropython          loads the native module, as stock firmware does
#   build.sh usermod    build/targets/unix/micropython-usermod  with _tinywake compiled in
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../common.sh
source "$here/../common.sh"

variant=${1:-board}
inputs=("$here/build.sh" "$here/manifest.py" "$here/unixboot.py" "$here"/unixboard/*)
case $variant in
    board) suffix= ;;
    usermod)
        suffix=-usermod
        inputs+=("$repo"/firmware/module/*.{c,mk} "$repo"/firmware/core/*.{c,h,mk})
        ;;
    *) die "no variant '$variant' (board, usermod)" ;;
esac

make_mpy_cross
board=$cache/target-unix-$variant-$(key "" "${inputs[@]}")/micropython
if [ ! -x "$board" ]; then
    say "building MicroPython's unix port ($variant) in $cache"
    begin_work
    mkdir "$work/modules"
    ln -s "$here/unixboard" "$work/modules/unixboard"
    if [ "$variant" = usermod ]; then
        ln -s "$repo/firmware/module" "$work/modules/tinywake"
    fi
    logged "the unix board ($variant)" "$work/unix.log" make -C "$mpy_dir/ports/unix" -j "$jobs" BUILD="$work/unix" \
        CC="$cc" VARIANT=standard FROZEN_MANIFEST="$here/manifest.py" \
        MICROPY_MPYCROSS="$mpy_cross" MICROPY_MPYCROSS_DEPENDENCY= \
        USER_C_MODULES="$work/modules" MICROPY_PY_FFI=0 MICROPY_PY_SSL=0 MICROPY_SSL_MBEDTLS=0 MICROPY_PY_BTREE=0
    publish "$work/unix/micropython" "$board"
fi
show "$board" "unix/micropython$suffix"
