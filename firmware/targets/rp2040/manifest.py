# ruff: noqa: F821 (the names are those of MicroPython's manifests)
# What stock boards freeze, but for onewire, ds18x20, dht and neopixel, which are micropython-lib's.
freeze("$(PORT_DIR)/modules")
include("$(MPY_DIR)/extmod/asyncio")
