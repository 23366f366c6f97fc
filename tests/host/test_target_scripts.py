# SPDX-License-Identifier: MIT
"""What the builds of the targets share: packages from Debian's mirror (apt-get faked), and who speaks when one dies."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

TARGETS = Path(__file__).resolve().parents[2] / "firmware" / "targets"
pytestmark = pytest.mark.skipif(os.name != "posix" or shutil.which("bash") is None, reason="needs a Unix with bash")

# Knows one mirror, and has the file in whatever suite it is asked for. A log has its sources and what it is asked for.
APT = """#!/bin/sh
case "$*" in
    indextargets*) echo mirror:/debian; exit ;;
    *update) cat "$WORK/sources.list" >> "$WORK/log"; exit ;;
esac
while [ "${1#-}" != "$1" ]; do [ "$1" = -o ] && shift; shift; done
echo "$*" >> "$WORK/log"
printf 'the package' > has.tar.gz
"""
SHA256 = hashlib.sha256(b"the package").hexdigest()


def get(folder: Path, *arguments: str, apt: bool = True) -> tuple[int, str, list[str]]:
    """debian_get's status, what it says, and what apt-get was asked for."""
    programs, work = folder / "bin", folder / "work"
    for new in (programs, work):
        new.mkdir()
    if apt:
        (programs / "apt-get").write_text(APT)
        (programs / "apt-get").chmod(0o755)
    for name in ("bash", "cat", "sh", "id", "sed", "mkdir", "sha256sum", "shasum"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    done = subprocess.run(
        ["bash", "-c", f'say() {{ echo "$*" >&2; }}; . {TARGETS}/debian.sh; debian_get "$@"', "test", *arguments],
        env={"PATH": str(programs), "WORK": str(work), "work": str(work)}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    log = work / "log"
    return done.returncode, done.stderr.strip(), log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize(
    ("kind", "source", "order"),
    [
        (
            "source",
            "deb-src [trusted=yes] mirror:/debian sid main",
            "source --download-only --tar-only --only-source tool",
        ),
        ("binary", "deb [trusted=yes] mirror:/debian sid main", "download tool"),
    ],
)
def test_a_package_is_got_and_checked(tmp_path: Path, kind: str, source: str, order: str) -> None:
    assert get(tmp_path, kind, "sid", "tool", "has.tar.gz", SHA256) == (0, "", [source, order])
    assert (tmp_path / "work" / "has.tar.gz").read_text() == "the package"


@pytest.mark.parametrize(
    ("arguments", "apt", "says"),
    [
        (("binary", "sid", "tool", "has.tar.gz", SHA256[::-1]), True, "SHA-256 differs from"),
        (("binary", "sid", "tool", "lacks.tar.gz", SHA256), True, "suite sid no longer carries lacks.tar.gz"),
        (
            ("source", "sid", "tool", "has.tar.gz", SHA256),
            False,
            "there is no apt here for Debian's source package tool",
        ),
        (("other", "sid", "tool", "has.tar.gz", SHA256), True, "no kind of package: other"),
    ],
)
def test_what_cannot_be_got_is_named(tmp_path: Path, arguments: tuple[str, ...], apt: bool, says: str) -> None:
    status, said, _ = get(tmp_path, *arguments, apt=apt)
    assert status == 1
    assert says in said


@pytest.mark.parametrize("script", ["rp2040/build.sh", "xtensa/toolchain.sh"])
def test_a_script_that_dies_says_which_it_is(script: str) -> None:
    # Bug: toolchain.sh's errors began with "build.sh:".
    if shutil.which("xtensa-esp32-elf-gcc", path="/usr/bin:/bin"):
        pytest.skip("toolchain.sh needs nothing here")
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere", "CC": "no-such-compiler"}
    done = subprocess.run([TARGETS / script], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{Path(script).name}: no no-such-compiler: run 'make setup'")
