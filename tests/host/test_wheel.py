# SPDX-License-Identifier: MIT
"""The wheel: it has all that boards need, runs without a checkout, and is built without modules where none are."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

OFFLINE = ("No matching distribution found for scikit-build-core", "Could not find a version that satisfies")
# -S: the editable install of this checkout would be found first.
WHERE = """
from tinywake.device import places
from tinywake.device.firmware import Firmware, built_module, module_for
assert places.checkout() is None
print(places.app().is_dir(), len(list(places.boards().glob("*/board.toml"))))
print(*(sorted(path.parent.name for path in places.modules().glob("*/_tinywake.mpy")) or ["none"]))
try:
    print(module_for(Firmware("micropython", (1, 25, 0), (6, 3), "rv32imc", False), "port").name)
except Exception as error:
    print(error)
"""


@pytest.fixture(scope="module")
def wheel(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-C", f"build-dir={out}/build", "-w", out]
    done = subprocess.run([*command, repo], capture_output=True, text=True)
    if any(said in done.stderr for said in OFFLINE):
        pytest.skip("pip cannot get scikit-build-core")
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    return path


def run_installed(folder: Path) -> list[str]:
    paths = os.pathsep.join([str(folder), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    done = subprocess.run(
        [sys.executable, "-S", "-c", WHERE], cwd=folder, env=os.environ | {"PYTHONPATH": paths},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_it_carries_what_boards_need(wheel: Path, repo: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path)
    built = sorted((repo / "build" / "modules").glob("*/*.mpy"))
    firmware = "tinywake/_firmware"
    assert {f"{firmware}/modules/{path.parent.name}/{path.name}" for path in built} <= names
    bytecode = {path.relative_to(repo / "build").as_posix() for path in repo.glob("build/modules/any_*/**/*.mpy")}
    assert {f"{firmware}/{path}" for path in bytecode} <= names
    if built:
        assert "modules/any_6.3/tinywake/main.mpy" in bytecode
    for folder, pattern in (("firmware/app", "*.py"), ("boards", "board.*")):
        root = repo / folder
        paths = {f"{firmware}/{root.name}/{path.relative_to(root).as_posix()}" for path in root.rglob(pattern)}
        assert paths <= names, paths - names
    assert not [name for name in names if name.endswith((".c", ".h", ".o", ".elf", ".pyc"))]
    assert not [name for name in names if name.startswith(f"{firmware}/modules/") and not name.endswith(".mpy")]

    said = run_installed(tmp_path)
    assert said[0] == f"True {len(list((repo / 'boards').glob('*/board.toml')))}"
    assert said[1].split() == (sorted({path.parent.name for path in built}) or ["none"])
    if "rv32imc_6.3" in said[1]:
        assert said[2] == "_tinywake.mpy"
    shutil.rmtree(tmp_path / firmware / "modules", ignore_errors=True)
    assert run_installed(tmp_path)[1:] == [
        "none",
        "no _tinywake.mpy for rv32imc: this tinywake came without it: install a wheel, or make modules ARCH=rv32imc "
        "in a checkout",
    ]


def test_it_is_built_where_there_are_no_modules(repo: Path, tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed: make setup")
    source, out = tmp_path / "source", tmp_path / "out"
    for folder in ("firmware/core", "firmware/app", "host/native", "boards"):
        shutil.copytree(repo / folder, source / folder)
    shutil.copy(repo / "CMakeLists.txt", source)
    for arguments in (["-S", source, "-B", out, "-G", "Unix Makefiles"], ["--build", out, "-j", "2"],
                      ["--install", out, "--prefix", tmp_path / "installed"]):  # fmt: skip
        subprocess.run(["cmake", *arguments], check=True, capture_output=True)
    firmware = tmp_path / "installed" / "tinywake" / "_firmware"
    assert sorted(path.name for path in firmware.iterdir()) == ["app", "boards"]
