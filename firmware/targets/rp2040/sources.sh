# shellcheck shell=bash disable=SC2154 # targets, here, cache and mpy_dir: set by those who source this
# SPDX-License-Identifier: MIT
# Sourced by build.sh, after common.sh: MicroPython's tree with what its rp2 port is built with in lib/, in the cache.
#
#   make_tree    $tree, a copy of $mpy_dir with pico-sdk, tinyusb and mbedtls; those of your own tree (MICROPY_DIR) stay

# shellcheck source=firmware/targets/debian.sh
source "$targets/debian.sh"

pins() { grep -v '^#' "$here/sources.pins"; }

# unpack_into DIRECTORY FILE
unpack_into() {
    mkdir -p "$1" || return 1
    case $2 in
        *.deb)
            mkdir -p "$work/deb" && dpkg-deb -x "$2" "$work/deb" && cp -a "$work"/deb/usr/src/*/. "$1" || return 1
            rm -rf "$work/deb"
            ;;
        *) tar -xf "$2" -C "$1" --strip-components=1 || return 1 ;;
    esac
}

# fill NAME: lib/NAME of the tree in $work, from the first pin that can be had.
fill() {
    local name kind suite package sha256 file
    while read -r name kind suite package sha256 file; do
        [ "$name" = "$1" ] || continue
        say "getting $package for MicroPython's rp2 port: Debian's package, suite $suite"
        debian_get "$kind" "$suite" "$package" "$file" "$sha256" || continue
        unpack_into "$work/tree/lib/$1" "$work/$file" && return
    done < <(pins)
    die "no $1 for MicroPython's rp2 port: set MICROPY_DIR to a tree with its submodules (make -C ports/rp2 submodules)"
}

make_tree() {
    local name
    tree=$cache/target-rp2040-tree-$(key tree "$here/sources.pins")
    if [ ! -d "$tree" ]; then
        begin_work
        mkdir "$work/tree"
        (cd "$mpy_dir" && tar -cf - --exclude=./docs --exclude=./tests --exclude=./.git .) | tar -xf - -C "$work/tree"
        for name in pico-sdk tinyusb mbedtls; do
            [ -n "$(ls -A "$work/tree/lib/$name" 2>/dev/null)" ] || fill "$name"
        done
        [ -d "$tree" ] || publish "$work/tree" "$tree" # another run may have been quicker
    fi
    touch "$tree"
}
