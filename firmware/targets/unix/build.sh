#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Build the emulated unix board: MicroPython's unix port with our unixboard module.
#
#   build.sh board      build/targets/unix/micropython          loads the native module, as stock firmware does
#   build.sh usermod    build/targets/unix/micropython-usermod  with _tinywake compiled in
#
# The builds lie in the cache, under a hash of everything that goes into them; build/ holds links to them. Quick when nothing
# has changed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../../.." && pwd)
cache=${TINYWAKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tinywake}
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
say() { printf '%s\n' "$*" >&2; }

variant=${1:-board}
inputs=("$here/build.sh" "$here/manifest.py" "$here/unixboot.py" "$here"/unixboard/*)
case $variant in
    board) suffix= ;;
    usermod)
        suffix=-usermod
        inputs+=("$repo"/firmware/module/*.{c,mk} "$repo"/firmware/core/*.{c,h,mk})
        ;;
    *) say "build.sh: no variant '$variant' (board, usermod)"; exit 2 ;;
esac

mpy_dir=$("$here/../fetch.sh")
cc=${CC:-gcc}
command -v "$cc" >/dev/null || { say "build.sh: no $cc: run 'make setup'"; exit 2; }
hash() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16; }
identity() { echo "$mpy_dir"; cat "$mpy_dir/py/mpconfig.h"; "$cc" --version; uname -ms; }
cross_key=$(identity | hash)
key=$({ identity; cat "${inputs[@]}"; } | hash)
cross=$cache/mpy-cross-$cross_key/mpy-cross
board=$cache/unix-$variant-$key/micropython

# build LOG COMMAND...: the last lines of its log where it fails.
build() {
    local log=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        say "build.sh: the build of the unix board ($variant) failed; the whole log: $log"
        trap - EXIT
        exit 2
    fi
}

if [ ! -x "$cross" ] || [ ! -x "$board" ]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
fi

if [ ! -x "$cross" ]; then
    say "building mpy-cross in $cache"
    build "$work/cross.log" make -C "$mpy_dir/mpy-cross" -j "$jobs" BUILD="$work/cross" CC="$cc"
    mkdir -p "$(dirname "$cross")"
    mv "$work/cross/mpy-cross" "$cross"
fi

if [ ! -x "$board" ]; then
    say "building MicroPython's unix port ($variant) in $cache"
    mkdir "$work/modules"
    ln -s "$here/unixboard" "$work/modules/unixboard"
    if [ "$variant" = usermod ]; then
        ln -s "$repo/firmware/module" "$work/modules/tinywake"
    fi
    build "$work/unix.log" make -C "$mpy_dir/ports/unix" -j "$jobs" BUILD="$work/unix" CC="$cc" VARIANT=standard \
        FROZEN_MANIFEST="$here/manifest.py" MICROPY_MPYCROSS="$cross" MICROPY_MPYCROSS_DEPENDENCY= \
        USER_C_MODULES="$work/modules" MICROPY_PY_FFI=0 MICROPY_PY_SSL=0 MICROPY_SSL_MBEDTLS=0 MICROPY_PY_BTREE=0
    mkdir -p "$(dirname "$board")"
    mv "$work/unix/micropython" "$board"
    # Builds of sources that are long gone, and the logs of old failures.
    find "$cache" -maxdepth 1 \( -name 'unix-*' -o -name 'build.*' \) -mtime +30 -exec rm -rf {} +
fi
touch "$(dirname "$board")"

mkdir -p "$repo/build/targets/unix"
ln -sfn "$cross" "$repo/build/targets/mpy-cross"
ln -sfn "$board" "$repo/build/targets/unix/micropython$suffix"
