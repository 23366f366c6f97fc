# SPDX-License-Identifier: MIT
"""Module, app, pins and models onto a board: docs/deploy.md.

probe (what is there), plan (what must change), copy (files, verified), slots and models (which model it listens with),
homes (where that lies), report; run puts them in order, watch does so again and again.
"""

from tinywake.device.deploy.report import DeployReport
from tinywake.device.deploy.run import Choices, check_choices, deploy
from tinywake.device.deploy.watch import watched

__all__ = ["Choices", "DeployReport", "check_choices", "deploy", "watched"]
