"""The shape of the host package: who may import whom, how long a file may be, and that __all__ is true."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PACKAGE = REPO / "host" / "tinywake"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))

# A module imports only from its own layer and from those that stand before it.
LAYERS = [
    "errors", "files", "tables", "config", "frontend", "native", "coded", "core", "gate", "compiler", "audio", "device",
    "evaluate", "learn", "pipeline", "terminal", "cli", "__main__",
]  # fmt: skip
ONLY_IN = {
    "tensorflow": "learn", "keras": "learn", "serial": "device", "mpremote": "device", "esptool": "device",
    "sounddevice": "audio",
}  # fmt: skip


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    own = layer(path)
    for name in imports(path):
        root, _, rest = name.partition(".")
        if root == "tinywake" and rest:
            other = rest.split(".")[0]
            if own != "__init__":
                assert LAYERS.index(other) <= LAYERS.index(own), f"{own} imports {other}"
        if root in ONLY_IN:
            assert own == ONLY_IN[root], f"{root} is only for {ONLY_IN[root]}/"


def test_every_module_is_used_by_another() -> None:
    # Bug: device/line/remote.py served the tests alone.
    used = {"tinywake", "tinywake.__main__"}
    for path in MODULES:
        own = module(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                used |= {alias.name for alias in node.names} - {own}
            elif isinstance(node, ast.ImportFrom):
                used |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)} - {own}
    assert {module(path) for path in MODULES if path.name != "__init__.py"} - used == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_is_one_idea(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_a_folder_can_be_drawn() -> None:
    for folder in {path.parent for path in MODULES} - {PACKAGE}:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= 8, f"{folder} has {len(modules)} modules"


def test_c_files_are_short() -> None:
    for path in (REPO / "firmware" / "core").glob("*.[ch]"):
        assert len(path.read_text().splitlines()) <= 300, path.name


@pytest.mark.parametrize("path", [p for p in MODULES if layer(p) not in ("learn", "__main__")],
                         ids=lambda p: str(p.relative_to(PACKAGE)))  # fmt: skip
def test_all_is_true(path: Path) -> None:
    name = module(path)
    found = importlib.import_module(name)
    assert isinstance(found.__all__, list), f"{name} has no __all__"
    for public in found.__all__:
        assert hasattr(found, public), f"{name}.{public}"
    defined = {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    if layer(path) != "cli":  # its functions are verbs, registered with the application
        assert defined <= set(found.__all__), f"{name}: {defined - set(found.__all__)} not in __all__"


def test_no_two_test_modules_share_a_name(repo: Path) -> None:
    # Bug: each ran alone, and the whole suite could not be collected.
    names = [path.name for path in (repo / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
