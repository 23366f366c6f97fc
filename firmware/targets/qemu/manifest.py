# ruff: noqa: F821 (the names are those of MicroPython's manifests)
# What stock boards freeze of what this project uses, and nothing that needs micropython-lib.
include("$(MPY_DIR)/extmod/asyncio")
module("_boot.py")
