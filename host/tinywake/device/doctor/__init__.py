# SPDX-License-Identifier: MIT
"""What is wrong, in words, and the way out: docs/deploy.md.

findings (what is said), computer (what this one lacks), port (who answers there), board (what is on it), mic (does it
hear); diagnose asks them in order.
"""

from tinywake.device.doctor.diagnose import diagnose
from tinywake.device.doctor.findings import Diagnosis, Finding

__all__ = ["Diagnosis", "Finding", "diagnose"]
