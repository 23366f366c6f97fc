"""What all tests share: where optional material lies, and a reason for every skip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent


def _optional(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, REPO.parent / "shared" / default))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here (set {variable})")
    return folder


@pytest.fixture(scope="session")
def repo() -> Path:
    return REPO


@pytest.fixture(scope="session")
def reference() -> Path:
    """Published models to compare with."""
    return _optional("TINYWAKE_REFERENCE", "reference")


@pytest.fixture(scope="session")
def speech() -> Path:
    """Real speech."""
    return _optional("TINYWAKE_SPEECH", "speech")


@pytest.fixture(scope="session")
def vectors() -> Path:
    return REPO / "tests" / "vectors"
