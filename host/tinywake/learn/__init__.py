# SPDX-License-Identifier: MIT
"""Networks and training. The only package that imports tensorflow, and that keeps it from writing its diary."""

import logging
import os

__all__: list[str] = []

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before it is imported: its C++ half reads this once
for _name in ("tensorflow", "absl"):
    logging.getLogger(_name).setLevel(logging.ERROR)
