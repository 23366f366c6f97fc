# SPDX-FileCopyrightText: tinywake's contributors
# SPDX-License-Identifier: MIT
"""Say the word and see it. Copy this as code.py, and a model beside it, here computer.twm."""

import tinywake


def heard(hit: tinywake.Hit) -> None:
    """Tell what was said, and how sure the network is (0 to 255)."""
    print(hit.label, hit.score)


listener = tinywake.Listener("computer.twm", on_hit=heard)
print("listening; Ctrl-C ends it")
listener.run()
