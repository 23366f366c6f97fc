# SPDX-License-Identifier: MIT
"""A model onto whichever board is there: by swap where it listens, else as deploy does for its interpreter."""

from tinywake.device.deliver.deliver import Delivery, Order, Report

__all__ = ["Delivery", "Order", "Report"]
