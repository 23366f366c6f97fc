# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the builds of all targets share. A build.sh sets `set -euo pipefail`, sources this, and has:
#
#   repo cache jobs cc mpy_dir      checkout, cache folder, make's jobs, C compiler of this computer, MicroPython's source
#   say TEXT, die TEXT              to stderr; die exits with 2
#   need COMMAND...                 die where one is missing
#   key TEXT FILE...                a hash of MicroPython's tree, this computer, TEXT and the FILEs: what names a build
#   begin_work                      $work, a folder in the cache that goes when the script ends
#   logged WHAT LOG COMMAND...      run it; where it fails, say the log's last lines and where it lies, and exit with 2
#   make_mpy_cross                  $mpy_cross, MicroPython's compiler, built where the cache lacks it
#   publish FILE CACHED             move FILE to CACHED in the cache, and forget builds that nobody used for 30 days
#   show CACHED LINK                build/targets/LINK becomes a link to CACHED
#
# Builds lie in the cache, under the key of everything that goes into them; build/ holds links to them.

targets=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$targets/../.." && pwd)
cache=${TINYWAKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tinywake}
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
cc=${CC:-gcc}

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 2; }

need() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || die "no $command: run 'make setup', for the boards' compilers tools/setup.sh cross"
    done
}

need "$cc"
mpy_dir=$("$targets/fetch.sh")

hash() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16; }

key() {
    local text=$1
    shift
    { printf '%s\n' "$mpy_dir" "$text"; cat "$mpy_dir/py/mpconfig.h"; "$cc" --version; uname -ms; cat /dev/null "$@"; } | hash
}

begin_work() {
    [ -z "${work:-}" ] || return 0
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
}

logged() {
    local what=$1 log=$2
    shift 2
    if ! "$@" >"$log" 2>&1; then
        tail -n 30 "$log" | cut -c1-500 >&2
        trap - EXIT
        die "the build of $what failed; the whole log: $log"
    fi
}

make_mpy_cross() {
    mpy_cross=$cache/mpy-cross-$(key mpy-cross)/mpy-cross
    if [ ! -x "$mpy_cross" ]; then
        say "building mpy-cross in $cache"
        begin_work
        logged mpy-cross "$work/cross.log" make -C "$mpy_dir/mpy-cross" -j "$jobs" BUILD="$work/cross" CC="$cc"
        publish "$work/cross/mpy-cross" "$mpy_cross"
    fi
    show "$mpy_cross" mpy-cross
}

publish() {
    mkdir -p "$(dirname "$2")"
    mv "$1" "$2"
    # Builds of sources that are long gone, and the logs of old failures.
    find "$cache" -maxdepth 1 \( -name 'build.*' -o -name 'mpy-cross-*' -o -name 'target-*' \) -mtime +30 -exec rm -rf {} +
}

show() {
    touch "$(dirname "$1")"
    mkdir -p "$(dirname "$repo/build/targets/$2")"
    ln -sfn "$1" "$repo/build/targets/$2"
}
