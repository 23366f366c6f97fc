#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Print the path of a MicroPython source tree, after getting one where needed. The order:
#   1. MICROPY_DIR            your own tree, 1.23 or later, taken as it is
#   2. the cache              TINYWAKE_CACHE, else XDG_CACHE_HOME/tinywake, else ~/.cache/tinywake
#   3. MICROPY_URL            a source tarball (.tar.xz or .tar.gz) and MICROPY_SHA256, its checksum; given up after 5 s
#   4. the Debian source package, from the mirror that apt already uses
# What 4 may bring is pinned in micropython.pins.
set -euo pipefail
# Each way below is tried in a condition, where bash ignores -e: every step in them says itself what a failure does.

here=$(cd "$(dirname "$0")" && pwd)
cache=${TINYWAKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tinywake}
say() { printf '%s\n' "$*" >&2; }
# shellcheck source=firmware/targets/debian.sh
. "$here/debian.sh"

pins() { grep -v '^#' "$here/micropython.pins"; }

# unpack TARBALL NAME: into the cache, whole or not at all.
unpack() {
    mkdir -p "$work/tree" || return 1
    tar -xf "$1" -C "$work/tree" --strip-components=1 || { say "$1 cannot be unpacked"; return 1; }
    [ -f "$work/tree/py/dynruntime.mk" ] || { say "$1 is not a MicroPython source tree"; return 1; }
    # Stands for the submodule's own file: the ports' makefiles look for it, and we freeze nothing from there.
    mkdir -p "$work/tree/lib/micropython-lib" || return 1
    touch "$work/tree/lib/micropython-lib/README.md" || return 1
    if [ ! -d "$cache/$2" ]; then # another run may have been quicker
        mv "$work/tree" "$cache/$2" || return 1
    fi
    printf '%s\n' "$cache/$2"
}

from_url() {
    say "getting MicroPython's source from MICROPY_URL"
    if [ -z "${MICROPY_SHA256:-}" ]; then
        say "MICROPY_URL needs MICROPY_SHA256, the tarball's checksum, beside it"
        return 1
    fi
    curl -fsSL --connect-timeout 5 --speed-limit 1000 --speed-time 5 -o "$work/url" "$MICROPY_URL" \
        || { say "MICROPY_URL does not answer"; return 1; }
    checked "$MICROPY_SHA256" "$work/url" && unpack "$work/url" "micropython-${MICROPY_SHA256:0:12}"
}

from_debian() { # from_debian SUITE SHA256 TARBALL NAME
    say "getting MicroPython's source: Debian's package, suite $1"
    debian_get source "$1" micropython "$3" "$2" && unpack "$work/$3" "$4"
}

if [ -n "${MICROPY_DIR:-}" ]; then
    [ -f "$MICROPY_DIR/py/dynruntime.mk" ] || { say "MICROPY_DIR=$MICROPY_DIR is not a MicroPython source tree"; exit 2; }
    (cd "$MICROPY_DIR" && pwd)
    exit
fi

cached() { [ -d "$cache/$1" ] && printf '%s\n' "$cache/$1"; }

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [ -n "${MICROPY_URL:-}" ]; then
    sha256=${MICROPY_SHA256:-}
    [ -n "$sha256" ] && cached "micropython-${sha256:0:12}" && exit
    from_url && exit
fi
while read -r suite sha256 tarball name; do
    cached "$name" && exit
    command -v apt-get >/dev/null && from_debian "$suite" "$sha256" "$tarball" "$name" && exit
done < <(pins)
say "no MicroPython source: unpack a release (1.23 or later) and set MICROPY_DIR to it, or set MICROPY_URL and MICROPY_SHA256"
exit 2
