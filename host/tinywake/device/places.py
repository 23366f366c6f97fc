# SPDX-License-Identifier: MIT
"""Where the things for boards lie: in a checkout of the project, else in the installed package."""

from pathlib import Path

__all__ = ["app", "boards", "checkout", "modules"]

_PACKAGE = Path(__file__).parents[1]


def checkout() -> Path | None:
    """The root of the checkout this package runs from, if it runs from one."""
    root = _PACKAGE.parents[1]
    return root if (root / "firmware" / "app").is_dir() else None


def app() -> Path:
    """The MicroPython package that runs on the board."""
    root = checkout()
    return root / "firmware" / "app" if root else _PACKAGE / "_firmware" / "app"


def boards() -> Path:
    """One directory a board."""
    root = checkout()
    return root / "boards" if root else _PACKAGE / "_firmware" / "boards"


def modules() -> Path:
    """One directory an interpreter and architecture, with _tinywake.mpy in it."""
    root = checkout()
    return root / "build" / "modules" if root else _PACKAGE / "_firmware" / "modules"
