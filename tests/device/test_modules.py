# SPDX-License-Identifier: MIT
"""The native modules: what the build refuses and what it made, what mip installs, and tables on Xtensa."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tinywake.device.firmware import ABI, BUILDABLE, read_native
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.registry import open_target
from tinywake.device.targets.unix import UnixBoard

sys.path.insert(0, str(Path(__file__).parents[2] / "firmware" / "module"))
from check_objects import faults, in_v6m
from mpy_size import TO_ENTRY, Module

ARM = ("arm-none-eabi-gcc", "-mthumb")
RISCV = ("riscv64-unknown-elf-gcc", "-mabi=ilp32")
GOOD = "int tw_twice(int x) { return 2 * x; }"


def compiled(tmp_path: Path, command: tuple[str, ...], source: str) -> Path:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed: tools/setup.sh cross")
    (tmp_path / "bad.c").write_text(source)
    subprocess.run([*command, "-Os", "-c", "bad.c", "-o", "bad.o"], cwd=tmp_path, check=True)
    return tmp_path / "bad.o"


@pytest.fixture(scope="session")
def xtensa() -> tuple[str, str, str]:
    """The compiler's prefix, its plug-in and the folder of its headers."""
    if not any(map(shutil.which, ("xtensa-esp32-elf-gcc", "xtensa-lx106-elf-gcc"))):
        pytest.skip("no compiler for Xtensa: tools/setup.sh cross")
    script = Path(__file__).parents[2] / "firmware" / "targets" / "xtensa" / "toolchain.sh"
    said = subprocess.run([script], check=True, capture_output=True, text=True).stdout.split()
    prefix, plugin, headers = [*said, "", ""][:3]
    return prefix, plugin, headers


WIDE = '__asm__(".syntax unified\\n movw r0, #1234");'  # 32 bits
SHORT = '__asm__(".syntax unified\\n cbz r0, 1f\\n nop\\n nop\\n 1:");'  # 16 bits


@pytest.mark.parametrize(
    ("arch", "command", "source", "says"),
    [
        ("armv6m", (*ARM, "-mcpu=cortex-m0"), GOOD, None),
        ("armv7m", (*ARM, "-mcpu=cortex-m3"), GOOD, None),
        ("rv32imc", (*RISCV, "-march=rv32imc"), GOOD, None),
        ("x64", ("gcc",), GOOD, None),
        ("x64", ("gcc",), "int tw_count = 5;", r"\.data holds 4 bytes of writable data"),
        ("x64", ("gcc",), "static int n; int tw_next(void) { return n++; }", "n is a static variable"),
        ("x64", ("gcc",), "int puts(const char *); int tw_say(void) { return puts(0); }", "needs puts"),
        ("armv6m", (*ARM, "-mcpu=cortex-m0"), "float tw_f(float x) { return x * x; }", "needs __aeabi_fmul"),
        ("armv6m", (*ARM, "-mcpu=cortex-m0"), "long long tw_d(long long x, long long y) { return x / y; }",
         "needs __aeabi_ldivmod"),
        ("armv6m", (*ARM, "-mcpu=cortex-m3"), GOOD, "another processor than armv6m"),
        ("armv7m", (*ARM, "-mcpu=cortex-m4"), GOOD, "another processor than armv7m"),
        ("armv6m", (*ARM, "-mcpu=cortex-m0"), 'void tw_w(void) { __asm__(".arch armv7-m"); ' + WIDE + " }",
         "instruction that ARMv6-M lacks"),
        ("armv6m", (*ARM, "-mcpu=cortex-m0"), 'void tw_s(void) { __asm__(".arch armv7-m"); ' + SHORT + " }",
         "instruction that ARMv6-M lacks"),
        ("rv32imc", (*RISCV, "-march=rv32imac"), GOOD, "some chips have only rv32imc"),
        ("rv32imc", (*RISCV, "-march=rv32imc", "-fno-pic"),
         '__attribute__((section(".srodata"))) const int tw_n = 5;', r"\.srodata would be left out"),
    ],
)  # fmt: skip
def test_the_build_refuses(tmp_path: Path, arch: str, command: tuple[str, ...], source: str, says: str | None) -> None:
    found = list(faults(arch, [compiled(tmp_path, command, source)]))
    if says is None:
        assert found == []
    else:
        assert any(re.search(f"^bad.o: .*{says}", fault) for fault in found), found


def test_the_build_refuses_cold_code_on_xtensa(
    tmp_path: Path, xtensa: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bug: mpy_ld finds literals by file and offset, so those of a second section are taken for the first's.
    if xtensa[1]:
        monkeypatch.setenv("XTENSA_GNU_CONFIG", xtensa[1])
    command = (f"{xtensa[0]}gcc", *(["-mabi=windowed"] if xtensa[1] else []), "-mlongcalls")
    assert list(faults("xtensawin", [compiled(tmp_path, command, GOOD)])) == []
    cold = "int tw_a(void) { return 123456789; } __attribute__((cold)) int tw_b(void) { return 987654321; }"
    found = list(faults("xtensawin", [compiled(tmp_path, command, cold)]))
    assert len(found) == 2
    assert all("mixes their literals up" in fault for fault in found), found


def test_instructions_of_armv6m() -> None:
    for first, second in ((0xF000, 0xF800), (0x4770, None), (0xBF00, None), (0xBF30, None), (0xB5F0, None)):
        assert in_v6m(first, second), hex(first)  # bl; bx lr, nop, wfi, push
    for first, second in ((0xF240, 0x40D2), (0xE92D, 0x4FF0), (0xF000, 0xB800), (0xB110, None), (0xBF08, None)):
        assert not in_v6m(first, second), hex(first)  # movw, push.w, b.w; cbz, it


PREFIXES = {"micropython": "", "circuitpython": "circuitpython_"}
EACH = [(name, arch) for name in PREFIXES for arch in BUILDABLE if (name, arch) != ("circuitpython", "armv7m")]


def module_path(repo: Path, interpreter: str, arch: str, name: str = "_tinywake") -> Path:
    path = repo / "build" / "modules" / f"{PREFIXES[interpreter]}{arch}_{ABI[0]}.{ABI[1]}" / f"{name}.mpy"
    if not path.exists():
        pytest.skip(f"{path} is not built: make modules-all")
    return path


@pytest.mark.parametrize(("interpreter", "arch"), EACH)
def test_a_module_is_of_its_architecture(repo: Path, interpreter: str, arch: str) -> None:
    path = module_path(repo, interpreter, arch)
    module, data = read_native(path), path.read_bytes()
    assert data[:1] == {"micropython": b"M", "circuitpython": b"C"}[interpreter]
    assert f"{PREFIXES[interpreter]}{module.arch}_{data[1]}.{data[2] & 3}" == path.parent.name
    assert not data[2] & 0x40, "it names extensions of the architecture, and chips without them refuse it"
    assert (module.code > 10_000, module.zeroed < 1000) == (True, True)
    assert module.file_bytes < 30_000  # it is copied to RAM


@pytest.mark.parametrize("name", ["_tinywake", "_tinywake_rec", "_tinywake_pdm"])
@pytest.mark.parametrize("arch", [arch for name, arch in EACH if name == "circuitpython"])
def test_circuitpythons_modules_differ_in_the_table_alone(repo: Path, arch: str, name: str) -> None:
    if name == "_tinywake_pdm" and arch not in ("x64", "armv6m", "armv7emsp"):
        pytest.skip(f"no board with {arch} has a PDM microphone")
    theirs, ours = (Module(module_path(repo, each, arch, name).read_bytes()) for each in PREFIXES)
    assert (theirs.interpreter, ours.interpreter) == ("micropython", "circuitpython")
    assert (ours.rodata, ours.bss) == (theirs.rodata, theirs.bss)
    # The types of functions and streams stand behind the one entry that CircuitPython has besides.
    assert ours.relocations == [to + 1 if to >= TO_ENTRY else to for to in theirs.relocations]
    assert any(to >= TO_ENTRY for to in ours.relocations)


def test_what_would_mislead_a_board_is_no_module(repo: Path) -> None:
    data = module_path(repo, "circuitpython", "x64", "_tinywake_rec").read_bytes()
    assert Module(data).relocations
    wrong = {
        "flags 0x20, which micropython takes for others": b"M" + data[1:],
        "relocations do not end with the file": data + b"\xff",
        "index out of range": data[:-1],
        "entry 73 of the table, which is no type and no stream": data[:-1] + bytes([TO_ENTRY + 73 << 1, 0xFF]),
        "a relocation at 0x1fffff8, behind the": data[:-1] + b"\x01\x83\xff\xff\x7e\xff",
    }
    for says, forged in wrong.items():
        with pytest.raises((IndexError, ValueError), match=says):
            Module(forged)


def test_one_list_of_architectures(repo: Path) -> None:
    text = (repo / "firmware" / "module" / "Makefile").read_text()
    found = re.search(r"^ARCHES := (.*)$", text, re.M)
    assert found
    assert tuple(found[1].split()) == BUILDABLE


def natmod(folder: Path, repo: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the rules for one native module in a folder."""
    mpy_dir = subprocess.run([repo / "firmware/targets/fetch.sh"], check=True, capture_output=True, text=True).stdout
    command = ["make", "-f", str(repo / "firmware/module/natmod.mk"), f"MPY_DIR={mpy_dir.strip()}",
               f"PYTHON={sys.executable}", "INTERPRETER=circuitpython", *arguments]  # fmt: skip
    return subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True)


# Of an object, by a test that is compiled into the module: wrong where the board has another representation.
INSIDE = ("mp_obj_is_str(o)", "mp_obj_is_qstr(o)", "mp_obj_is_float(o)", "mp_obj_is_str_or_bytes(o)",
          "mp_obj_is_immediate_obj(o)", "mp_obj_is_integer(o)", "MP_OBJ_QSTR_VALUE(o)")  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux" or os.uname().machine != "x86_64", reason="modules are built on x64 Linux")
def test_the_build_refuses_to_look_into_objects(repo: Path, tmp_path: Path) -> None:
    lines = "".join(f"int test_{i}(mp_obj_t o);\nint test_{i}(mp_obj_t o) {{ return {each}; }}\n"
                    for i, each in enumerate((*INSIDE, "mp_obj_is_small_int(o)")))  # fmt: skip
    (tmp_path / "bad.c").write_text('#include "py/dynruntime.h"\n' + lines)
    done = natmod(tmp_path, repo, "MOD=_tinywake_rec", "ARCH=x64", f"MODULE_SOURCE={tmp_path}/bad.c", "all.o")
    assert done.returncode != 0
    refused = re.findall(r'attempt to use poisoned "(\w+)"', done.stderr)
    assert refused == [each.partition("(")[0] for each in INSIDE], done.stderr


def test_no_representation_of_objects_is_compiled_in(repo: Path, tmp_path: Path) -> None:
    """The same bytes, whatever representation the headers are told. Boards of CircuitPython have C, it needs floats."""
    if shutil.which(ARM[0]) is None:
        pytest.skip(f"{ARM[0]} is not installed: tools/setup.sh cross")
    for name in ("_tinywake_rec", "_tinywake_pdm", "_tinywake"):
        built = module_path(repo, "circuitpython", "armv6m", name)
        done = natmod(tmp_path, repo, f"MOD={name}", "ARCH=armv6m", "MICROPY_FLOAT_IMPL=float", f"{name}.native.mpy",
                      CFLAGS="-DMICROPY_OBJ_REPR=2")  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{name}.native.mpy").read_bytes() == built.read_bytes()


# Two objects with tables at the same offset of .rodata, an array that is written through its elements' addresses, and
# enough literals for an offset to matter.
TABLES = {
    "first.c": """
        #include "py/dynruntime.h"
        uint32_t second(uint32_t i);
        void put(uint32_t *at, uint32_t value);
        static const uint32_t table[4] = { 111, 222, 333, 444 };
        uint32_t kept[3];
        static mp_obj_t look(mp_obj_t index) {
            uint32_t i = mp_obj_get_int(index);
            put(&kept[0], 0x1000001);
            put(&kept[1], 0x1000002);
            put(&kept[2], 0x1000003);
            mp_obj_t found[5] = { mp_obj_new_int(table[i]), mp_obj_new_int(second(i)), mp_obj_new_int(kept[0]),
                mp_obj_new_int(kept[1]), mp_obj_new_int(kept[2]) };
            return mp_obj_new_tuple(5, found);
        }
        static MP_DEFINE_CONST_FUN_OBJ_1(look_obj, look);
        mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
            MP_DYNRUNTIME_INIT_ENTRY
            mp_store_global(MP_QSTR_look, MP_OBJ_FROM_PTR(&look_obj));
            MP_DYNRUNTIME_INIT_EXIT
        }
        """,
    "second.c": """
        #include <stdint.h>
        uint32_t second(uint32_t i);
        static const uint32_t table[4] = { 5555, 6666, 7777, 8888 };
        uint32_t second(uint32_t i) { return table[i]; }
        void put(uint32_t *at, uint32_t value);
        void put(uint32_t *at, uint32_t value) { *at = value; }
        """,
}


@pytest.mark.on("qemu-xtensawin")
def test_tables_and_offsets_survive_the_linker_on_xtensa(
    repo: Path, tmp_path: Path, xtensa: tuple[str, str, str]
) -> None:
    # Bug: mpy_ld reads one object's table for the other's, and drops that of &kept[1] (micropython#19276, #14429).
    prefix, plugin, headers = xtensa
    try:
        board = open_target("qemu-xtensawin")
    except Exception as error:
        pytest.skip(str(error))
    for name, text in TABLES.items():
        (tmp_path / name).write_text(text)
    mpy_dir = subprocess.run(
        [repo / "firmware" / "targets" / "fetch.sh"], check=True, capture_output=True, text=True
    ).stdout.strip()
    (tmp_path / "Makefile").write_text(f"include {mpy_dir}/py/dynruntime.mk\n")
    windowed = f" -mabi=windowed -isystem {headers}" if plugin else ""
    environment = os.environ | ({"XTENSA_GNU_CONFIG": plugin} if plugin else {})
    subprocess.run(
        ["make", "-s", f"MPY_DIR={mpy_dir}", "MOD=tables", "SRC=first.c second.c", "ARCH=xtensawin", "BUILD=.",
         f"CROSS={prefix}", f"PYTHON={sys.executable}", "CFLAGS_EXTRA=-mlongcalls" + windowed,
         f"MPY_LD={sys.executable} {repo}/firmware/module/link_xtensa.py {mpy_dir}"],
        cwd=tmp_path, check=True, capture_output=True, env=environment,
    )  # fmt: skip
    with board, RawRepl(board.port) as repl:
        repl.put("tables.mpy", (tmp_path / "tables.mpy").read_bytes())
        said = repl.ask("import tables\nanswer([tables.look(i) for i in range(4)])")
    kept = [0x1000001, 0x1000002, 0x1000003]
    assert said == [[111, 5555, *kept], [222, 6666, *kept], [333, 7777, *kept], [444, 8888, *kept]]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder on a web server of this computer: its address."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(UnixBoard.available() is not None, reason=str(UnixBoard.available()))
def test_mip_installs_what_is_laid_out(repo: Path, tmp_path: Path) -> None:
    if not (repo / "build" / "modules" / "x64_6.3" / "_tinywake.mpy").exists():
        pytest.skip("no module is built: make modules")
    out = tmp_path / "mip"
    subprocess.run([sys.executable, repo / "firmware" / "module" / "mip.py", out], check=True)
    for listing in out.glob("*_6.3/package.json"):
        names = [name for name, _ in json.loads(listing.read_text())["urls"]]
        assert "_tinywake.mpy" in names
        text = {"tinywake/port/machine/pack32.py", "tinywake/port/rp2/pack_thumb.py"}
        assert {"tinywake/listener.mpy", *text} < set(names)
        assert "tinywake/listener.py" not in names
        assert all((listing.parent / name).is_file() for name in names)
    with UnixBoard(tmp_path / "board") as board:
        (tmp_path / "board" / "lib").mkdir()
        with served(out) as url:
            install = [url + "/x64_6.3/package.json", str(out / "boards" / "UNIX" / "package.json")]
            mip = [sys.executable, "-m", "mpremote", "connect", board.port, "mip", "install", "--target", "/lib"]
            for package in install:  # as docs/deploy.md has it: from a web server, and from a folder
                subprocess.run([*mip, package], check=True, capture_output=True, timeout=60)
        with RawRepl(board.port) as repl:
            said = repl.ask(
                "import tinywake, _tinywake, tinywake.pins\nanswer([_tinywake.VERSION, tinywake.__version__])"
            )
    assert said[0] >= 1
    assert said[1] == json.loads((out / "x64_6.3" / "package.json").read_text())["version"]
