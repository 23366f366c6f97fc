# SPDX-License-Identifier: MIT
"""Which boards have a microphone input under CircuitPython: by their chip, and by what is in their build."""

from __future__ import annotations

from tinywake.device.circuitpy.facts import Facts

__all__ = ["why_deaf"]

# By chip: the kinds of microphone that CircuitPython's builds of 2026 have an input for (docs/circuitpython.md).
_HEARS = {
    "RP2040": ("i2s", "pdm"),
    "RP2350": ("i2s", "pdm"),
    "ESP32": ("i2s", "pdm"),
    "ESP32-S3": ("i2s", "pdm"),
}
_DEAF = ("ESP32-C3", "ESP32-C6", "ESP32-C5")  # I2SIn is switched off in their builds, PDMIn is not there
# What a kind is read with; one of them is enough.
_NEEDS = {"i2s": ("audioi2sin",), "pdm": ("rp2pio", "audiobusio")}


def why_deaf(facts: Facts, kind: str) -> str | None:
    """Why a board cannot listen with a microphone of this kind ("i2s", "pdm"), in words; None: nothing is known.

    It loads the module all the same, and runs networks on what a program gives it.
    """
    if facts.chip in _DEAF:
        return f"CircuitPython has no microphone input on {facts.chip}"
    if facts.modules is not None and not set(_NEEDS.get(kind, ())) & set(facts.modules):
        return f"this build has no input for an {kind.upper()} microphone (no {' or '.join(_NEEDS.get(kind, ()))})"
    known = _HEARS.get(facts.chip)
    if known is not None and kind not in known:
        return f"CircuitPython has no input for a microphone of the kind {kind!r} on {facts.chip}"
    return None
