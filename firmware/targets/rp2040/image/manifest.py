# ruff: noqa: F821 (the names are those of MicroPython's manifests)
# The ready image: the app and the board's pins in the firmware, and a main.py that starts them.
include("../manifest.py")
freeze("$(TINYWAKE_FROZEN)")
module("main.py")
