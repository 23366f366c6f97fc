"""What all tests share: where optional material lies, a reason for every skip, and what runs on which target."""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tinywake.__main__ import main
from tinywake.device.deploy import deploy
from tinywake.device.targets.registry import TARGETS, open_target
from tinywake.device.targets.target import Target

settings.register_profile("busy", deadline=None)  # what an example takes says nothing on a computer that others use
settings.load_profile("busy")

REPO = Path(__file__).resolve().parent.parent
QUICK = ("host", "unix")  # the targets on which every test always runs


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-target", action="store_true", help="only what has a target, on every one there is (make test-targets)"
    )


def pytest_configure(config: pytest.Config) -> None:
    # What a script starts with `&` ignores Ctrl-C, and so would every program that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "on(target): the one emulated board of a test that has no such parameter")
    config.addinivalue_line("markers", "lean(*targets): emulated chips on which make test, too, runs this test")
    config.addinivalue_line("markers", "long: takes too much for emulated chips, even in make test-targets")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test of a slower target (parameter `target`, or mark `on`) runs where it is marked, or asked for."""

    def belongs(item: pytest.Item) -> bool:
        own = item.get_closest_marker("on")
        target = own.args[0] if own else item.callspec.params.get("target") if hasattr(item, "callspec") else None
        if config.getoption("--every-target"):
            return target not in (None, "host") and (target in QUICK or not item.get_closest_marker("long"))
        return target in (None, *QUICK) or any(target in mark.args for mark in item.iter_markers("lean"))

    config.hook.pytest_deselected(items=[item for item in items if not belongs(item)])
    items[:] = [item for item in items if belongs(item)]


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


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Where to run something on a target: its name, or the port of one that lives as long as the session.

    An emulated chip has the app once, so that later only models are sent; the quick targets start afresh each time.
    """
    boards: dict[str, Target] = {}
    model = tmp_path_factory.mktemp("running") / "quiet.twm"
    with ExitStack() as stack:

        def call(name: str) -> str:
            if name in QUICK:
                return name
            if name not in boards or not boards[name].running:
                model.write_bytes(runpy.run_path(str(REPO / "tests" / "core" / "tiny.py"))["listening_model"]())
                boards[name] = stack.enter_context(open_target(name))
                deploy(boards[name].port, model, board=boards[name].board, start=False)
            return boards[name].port

        yield call


@pytest.fixture(scope="session")
def runnable() -> Callable[[str], str]:
    """A target's name, given back where it can run here; else the test is skipped with the reason."""

    def call(name: str) -> str:
        lacking = None if name == "host" else TARGETS[name].available()
        if lacking:
            pytest.skip(lacking)
        return name

    return call


@pytest.fixture
def place(target: str, runnable: Callable[[str], str], running: Callable[[str], str]) -> str:
    """The test's target, as `running` has it."""
    return running(runnable(target))


@pytest.fixture
def tinywake(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """The command in this process: exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tinywake", *map(str, arguments)])
        monkeypatch.setattr("signal.signal", lambda *_: None)
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run
