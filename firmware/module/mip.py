# SPDX-License-Identifier: MIT
"""Lay out what mip installs from, since mip knows no architectures: build/mip, to be put on any web server.

mip.py OUT    OUT/<ARCH>_6.3/package.json of the modules that are built, with the app; OUT/boards/<BOARD>/package.json
              with the pins of a board, which go beside it
"""

import json
import re
import shutil
import sys
from pathlib import Path

__all__ = ["main"]

REPO = Path(__file__).resolve().parents[2]
APP = REPO / "firmware" / "app"


def package(folder: Path, files: dict[str, Path], version: str) -> None:
    """Copy the files, named as they are to be on the board, and the package.json that lists them."""
    for name, source in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)
    listing = {"urls": [[name, name] for name in sorted(files)], "version": version}
    (folder / "package.json").write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")


def main(out: Path) -> None:
    """Lay out all there is."""
    found = re.search(r'^__version__ = "(.+)"$', (APP / "__init__.py").read_text(encoding="utf-8"), re.M)
    if found is None:
        sys.exit(f"{APP / '__init__.py'}: no __version__")
    modules = sorted((REPO / "build" / "modules").glob("[!c]*/_tinywake.mpy"))  # CircuitPython has no mip
    if not modules:
        sys.exit("no module is built: make modules-all")
    shutil.rmtree(out, ignore_errors=True)
    built = REPO / "build" / "modules" / "any_6.3"
    app = {path.relative_to(built).as_posix(): path for path in sorted(built.rglob("*.mpy"))}
    for path in sorted(APP.rglob("*.py")):  # what is no bytecode has machine code in it: the board compiles it
        name = f"tinywake/{path.relative_to(APP).as_posix()}"
        if name.removesuffix(".py") + ".mpy" not in app:
            app[name] = path
    if not (built / "tinywake").is_dir():
        sys.exit("the app is not compiled: make modules-all")
    for module in modules:
        native = {path.name: path for path in module.parent.glob("*.mpy")}
        package(out / module.parent.name, native | app, found[1])
    for pins in (REPO / "boards").glob("*/board.py"):
        package(out / "boards" / pins.parent.name, {"tinywake/pins.py": pins}, found[1])
    print(f"{out}: {', '.join(module.parent.name for module in modules)}, and the pins of each board")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
