#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Build an interpreter that loads CircuitPython's native modules: MicroPython's unix port with CircuitPython's native
# ABI. For tests only: it is MicroPython in all else. Quick when nothing has changed.
#
#   build.sh            build/targets/circuitpython/micropython
#
# The ABI is said here once more, not taken from firmware/module/circuitpython.py: a module built with another table
# finds other functions here, and the tests see it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../common.sh
source "$here/../common.sh"

make_mpy_cross # which makemanifest.py asks for, and compiles nothing with
unix=$here/../unix
board=$cache/target-circuitpython-$(key "" "$here"/* "$unix/unixboot.py" "$unix"/unixboard/*)/micropython

# change FILE OLD NEW: in the one line of py/FILE that holds OLD (a basic regular expression; NEW as sed has it).
change() {
    local file=$work/tree/py/$1
    [ "$(grep -c -e "$2" "$file")" = 1 ] || die "py/$1 of $mpy_dir has no single '$2'"
    sed "s/$2/$3/" "$file" > "$work/changed"
    mv "$work/changed" "$file" # the link goes, not what it leads to
}

if [ ! -x "$board" ]; then
    say "building MicroPython's unix port with CircuitPython's ABI in $cache"
    begin_work
    # MicroPython's tree in links, those of py/ and of the port file by file.
    mkdir -p "$work/tree/ports" "$work/modules" "$work/frozen/asyncio"
    for part in "$mpy_dir"/*; do
        case ${part##*/} in
            py) cp -rs "$part" "$work/tree/py" ;;
            ports) cp -rs "$part/unix" "$work/tree/ports/unix" ;;
            *) ln -s "$part" "$work/tree/" ;;
        esac
    done
    change persistentcode.c "header\[0\] != 'M'" "header[0] != 'C'"
    change nativeglue.h '.*\*get_stream_raise)(.*' '&\n    void (*assert_native_inited)(mp_obj_t);'
    change nativeglue.c '^    mp_get_stream_raise,' '&\n    NULL,' # which nobody here may call
    change runtime0.h 'VIPERRELOC   (0x10)' 'VIPERRELOC   (0x20)'
    change runtime0.h 'VIPERRODATA  (0x20)' 'VIPERRODATA  (0x40)'
    change runtime0.h 'VIPERBSS     (0x40)' 'VIPERBSS     (0x80)'
    # By which tinywake knows the module that it has to bring: the first version that loads such modules.
    change modsys.c '^    MP_ROM_QSTR(MP_QSTR_micropython),' '    MP_ROM_QSTR(MP_QSTR_circuitpython),'
    change modsys.c 'MP_ROM_INT(MICROPY_VERSION_MAJOR)' 'MP_ROM_INT(10)'
    change modsys.c 'MP_ROM_INT(MICROPY_VERSION_MINOR)' 'MP_ROM_INT(3)'
    change modsys.c 'MP_ROM_INT(MICROPY_VERSION_MICRO)' 'MP_ROM_INT(1)'

    # As text, since mpy-tool freezes only files that begin with MicroPython's letter.
    ln -s "$unix/unixboard" "$work/modules/unixboard"
    ln -s "$unix/unixboot.py" "$work/frozen/"
    ln -s "$mpy_dir"/extmod/asyncio/*.py "$work/frozen/asyncio/"
    printf 'freeze_as_str("%s")\n' "$work/frozen" > "$work/manifest.py"
    logged "the interpreter with CircuitPython's ABI" "$work/unix.log" make -C "$work/tree/ports/unix" -j "$jobs" \
        BUILD="$work/unix" CC="$cc" VARIANT=standard FROZEN_MANIFEST="$work/manifest.py" \
        MICROPY_MPYCROSS="$mpy_cross" MICROPY_MPYCROSS_DEPENDENCY= \
        USER_C_MODULES="$work/modules" MICROPY_PY_FFI=0 MICROPY_PY_SSL=0 MICROPY_SSL_MBEDTLS=0 MICROPY_PY_BTREE=0
    publish "$work/unix/micropython" "$board"
fi
show "$board" circuitpython/micropython
