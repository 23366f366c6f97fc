# SPDX-License-Identifier: MIT
"""The verbs. Each is a thin wrapper over a public function; heavy modules are imported when a verb needs them."""

from __future__ import annotations

from typing import Annotated

import typer

from tinywake import __version__
from tinywake.cli import boards, hearing, models, owners, training

__all__ = ["VERBS", "app"]

# In the order of tinywake --help.
_VERBS = (
    training.train, training.base, training.compress, training.search, training.data_report, owners.enrol,
    models.compile_, models.inspect, models.run, models.compare, models.bench, models.energy,
    hearing.features, hearing.listen, hearing.eval_, owners.mine,
    boards.flash, boards.deploy, boards.image, boards.monitor, boards.record,
    boards.targets, boards.boards, boards.doctor,
    training.demo,
)  # fmt: skip

app = typer.Typer(
    name="tinywake",
    help="Train a wake word, compile it to a few kilobytes, hear it on a MicroPython board.",
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",  # which leaves brackets alone
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


VERBS = {verb.__name__.rstrip("_").replace("_", "-"): verb for verb in _VERBS}
for _name, _verb in VERBS.items():
    app.command(_name)(_verb)
