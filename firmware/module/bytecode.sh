#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The app as bytecode, which runs on every architecture: build/modules/any_6.3/tinywake/, for wheels and for mip.
# What has machine code in it stays text, for each board to compile. host/tinywake/device/firmware.py makes the same.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../targets/common.sh
source "$(cd "$(dirname "$0")" && pwd)/../targets/common.sh"

make_mpy_cross
begin_work
out=$repo/build/modules/any_6.3
mkdir -p "$work/tinywake" "$out"
cd "$repo/firmware/app"
for file in *.py port/*.py port/*/*.py; do
    if ! grep -q '@micropython\.' "$file"; then
        mkdir -p "$work/tinywake/$(dirname "$file")"
        "$mpy_cross" -s "tinywake/$file" -o "$work/tinywake/${file%.py}.mpy" "$file"
    fi
done
rm -rf "$out/tinywake"
mv "$work/tinywake" "$out/tinywake"
say "the app as bytecode: $(find "$out" -name '*.mpy' -exec cat {} + | wc -c) bytes"
