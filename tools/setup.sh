#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make setup: system packages, then .venv with the package in it. Run again, it does only what is missing.
#
#   setup.sh cross  the system packages only, cross-compilers and emulators with them (make modules-all, targets-all, test)
#
#   PYTHON          the Python for .venv (3.10 or later; else the newest of python3.13 ... python3)
#   TINYWAKE_EXTRAS what to install beside the base: train,world,dev
set -euo pipefail

cd "$(dirname "$0")/.."
extras=${TINYWAKE_EXTRAS:-train,world,dev}
step() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 2; }

# 1. System packages: to build the C core, the vocoder (C++) and MicroPython, to fuzz the core, and voices that speak English.
debian=(gcc g++ libc6-dev make cmake git pkg-config xz-utils clang libclang-rt-dev
    espeak-ng flite festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts)
# To build for the boards and to run them here: Arm, RISC-V and Xtensa, QEMU, and node for rp2040js (a nodejs from
# elsewhere brings its own npm, which Debian's would be in conflict with).
cross=(gcc-arm-none-eabi libnewlib-arm-none-eabi gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf gcc-xtensa-lx106
    picolibc-xtensa-lx106-elf qemu-system-arm qemu-system-misc)
command -v npm >/dev/null || cross+=(nodejs npm)
[ "${1:-}" != cross ] || debian+=("${cross[@]}")
fedora="gcc gcc-c++ make cmake git pkgconf-pkg-config xz python3 espeak-ng flite festival festvox-kal-diphone festvox-slt-arctic-hts"
brew="python cmake make xz espeak-ng flite"

# TensorFlow may have no wheels yet for the newest Python, so what the system calls python3 comes first.
suits() { "$1" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }
find_python() {
    local name
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        command -v "$name" >/dev/null && suits "$name" && { printf '%s\n' "$name"; return; }
    done
    return 1
}

# What apt's mirror did not have after a refresh is not asked for again for a week.
lacking=${TINYWAKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tinywake}/apt-lacks

packages_apt() {
    local missing=() package lacks
    find "$lacking" -mtime +7 -delete 2>/dev/null || true
    lacks=$(cat "$lacking" 2>/dev/null || true)
    find_python >/dev/null || debian+=(python3 python3-venv)
    for package in "${debian[@]}"; do
        # shellcheck disable=SC2016 # dpkg's variable, not the shell's
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] && continue
        if grep -qxF -- "$package" <<< "$lacks"; then
            step "system packages: going on without $package, which apt did not know this week ($lacking)"
        else
            missing+=("$package")
        fi
    done
    if [ ${#missing[@]} -eq 0 ]; then
        step "system packages: all there"
        return
    fi
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            step "system packages missing, and no root or sudo to install them. As root: apt-get install ${missing[*]}"
            return
        fi
        root=(sudo)
    fi
    step "system packages: installing ${missing[*]}"
    # A bare machine has no package lists yet; an old one may know names that its mirror no longer serves.
    if apt-cache show "${missing[@]}" >/dev/null 2>&1 && install_apt; then
        return
    fi
    step "system packages: refreshing apt's lists"
    "${root[@]}" apt-get -qq update || die "apt-get update failed: see above, then run 'make setup' again"
    local package known=()
    for package in "${missing[@]}"; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            known+=("$package")
        else
            step "system packages: $package does not exist here, going on without"
            mkdir -p "${lacking%/*}" && printf '%s\n' "$package" >> "$lacking"
        fi
    done
    missing=(${known[@]+"${known[@]}"})
    [ ${#missing[@]} -eq 0 ] || install_apt || die "apt-get install ${missing[*]} failed: see above, then run 'make setup' again"
}

install_apt() {
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null
}

packages_elsewhere() {
    local tool missing=()
    for tool in gcc make cmake git xz espeak-ng flite; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        step "system packages: all there"
    elif command -v dnf >/dev/null; then
        step "missing ${missing[*]}; run: sudo dnf install $fedora"
    elif command -v brew >/dev/null; then
        step "missing ${missing[*]}; run: xcode-select --install; brew install $brew"
    else
        step "missing ${missing[*]}; Debian's names for all that is needed: ${debian[*]}"
    fi
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
    packages_apt
else
    packages_elsewhere
fi
command -v cc >/dev/null || command -v gcc >/dev/null || die "no C compiler: install the packages named above, then run 'make setup' again"

[ "${1:-}" != cross ] || exit 0

# 2. Python
if [ -x .venv/bin/pip ] && suits .venv/bin/python; then
    step "python: .venv has $(.venv/bin/python -V)"
else
    python=$(find_python) || die "no Python 3.10 or later with venv: install one, or name it: PYTHON=/path/to/python3 make setup"
    step "python: creating .venv with $("$python" -V)"
    rm -rf .venv
    "$python" -m venv .venv || die "$python -m venv failed: see above, then run 'make setup' again"
fi

# 3. The package, its C core compiled, editable: Python edits count at once, C edits and moved files at the next setup.
hash() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-64; }
stamp=$({ echo "$extras"; .venv/bin/python -V; find host -name '*.py' | sort; cat pyproject.toml CMakeLists.txt firmware/core/* host/native/*; } | hash)
if [ -x .venv/bin/tinywake ] && [ "$(cat .venv/tinywake.stamp 2>/dev/null)" = "$stamp" ]; then
    step "package: up to date"
else
    if [ -f .venv/tinywake.stamp ]; then
        step "package: building the C core again"
    else
        step "package: installing tinywake[$extras], which takes some minutes where it fetches TensorFlow"
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".[$extras]" \
        || die "pip install failed: see above; with a proxy or mirror, tell pip (pip config), then run 'make setup' again"
    printf '%s\n' "$stamp" > .venv/tinywake.stamp
fi
step "done: .venv/bin/tinywake"
