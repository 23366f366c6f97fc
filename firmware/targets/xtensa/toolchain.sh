#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Print what compiles for windowed Xtensa (ESP32, ESP32-S2, ESP32-S3): the compiler's prefix, and where that is Debian's
# compiler for the ESP8266, the file that XTENSA_GNU_CONFIG must name and the folder of libc's headers. The order:
#   1. xtensa-esp32-elf-gcc   ESP-IDF's, where it is on the PATH
#   2. xtensa-lx106-elf-gcc   Debian's. Told -mabi=windowed it emits windowed code, which its assembler only takes where a
#                             plug-in describes such a processor. That is built here, once, from binutils' source into the
#                             cache; nothing of it gets into what is built with it.
set -euo pipefail
unset XTENSA_GNU_CONFIG # somebody else's, if it is set

if command -v xtensa-esp32-elf-gcc >/dev/null; then
    echo xtensa-esp32-elf-
    exit
fi

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../common.sh
source "$here/../common.sh"
# shellcheck source-path=SCRIPTDIR source=../debian.sh
source "$here/../debian.sh"

# The plug-in's binary interface is that of the assembler, so its source is the release next below the assembler's. By
# release: Debian's suite, SHA-256 of the tarball.
pins() {
    echo 2.44 trixie c41a0272424f41bb01bf828e7ffef1b2d59d1788064fd6b5f1d971717e9320b8
    echo 2.40 bookworm d78c2d2eb24a9be1e02f8854cb1bd435556d7f584fb6bfb6b07e6527d43fc41d
}

need xtensa-lx106-elf-gcc xtensa-lx106-elf-as
headers=$(dpkg -L picolibc-xtensa-lx106-elf 2>/dev/null | sed -n '/\/include$/p' | tail -n 1)
[ -n "$headers" ] || die "no headers for xtensa-lx106-elf-gcc (picolibc-xtensa-lx106-elf): run tools/setup.sh cross"
assembler=$(xtensa-lx106-elf-as --version | sed -n '1s/.* \([0-9.]*\)$/\1/p')
found=
while read -r release suite sha256; do
    if [ "$(printf '%s\n' "$release" "$assembler" | sort -V | sed -n 1p)" = "$release" ]; then
        found=1
        break
    fi
done < <(pins)
[ -n "$found" ] || die "xtensa-lx106-elf-as $assembler loads no descriptions of processors: it needs binutils 2.40 or later"

plugin=$cache/target-xtensa-$(key "$release" "$here/toolchain.sh" "$here/windowed.c")/windowed.so
if [ ! -f "$plugin" ]; then
    begin_work
    say "getting binutils' source for the Xtensa assembler: Debian's package, suite $suite"
    tarball=binutils_$release.orig.tar.xz
    debian_get source "$suite" binutils "$tarball" "$sha256" \
        || die "windowed Xtensa code cannot be assembled: put ESP-IDF's xtensa-esp32-elf-gcc on the PATH, or go online"
    mkdir "$work/binutils"
    tar -xf "$work/$tarball" -C "$work/binutils" --strip-components=1 "binutils-$release/include" \
        "binutils-$release/bfd/xtensa-modules.c"
    logged "the Xtensa assembler's plug-in" "$work/plugin.log" "$cc" -O1 -shared -fPIC -o "$work/windowed.so" \
        -I"$work/binutils/include" "$here/windowed.c" "$work/binutils/bfd/xtensa-modules.c"
    publish "$work/windowed.so" "$plugin"
fi
touch "$(dirname "$plugin")"
echo "xtensa-lx106-elf- $plugin $headers"
