# SPDX-License-Identifier: MIT
"""Module, app, pins and models onto a CircuitPython board: docs/circuitpython.md.

plan (what must change), record (which model it listens with), models (into their slots), report; run: all in order.
"""

from tinywake.device.circuitpy.deploy.report import CircuitReport
from tinywake.device.circuitpy.deploy.run import Order, deploy

__all__ = ["CircuitReport", "Order", "deploy"]
