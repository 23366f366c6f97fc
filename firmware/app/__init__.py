# SPDX-License-Identifier: MIT
"""tinywake on a board: hear a word, or run any compiled network.

What a program looks like:

    import tinywake
    listener = tinywake.Listener("computer.twm", on_hit=lambda hit: print(hit.label, hit.score))
    listener.start()                     # in the background; or run(), for hit in, async for, feed(pcm)

    net = tinywake.Model("gesture.twm")
    net.run(x, y)                        # int8 in, int8 out, no allocation
"""

from .engine import Hit
from .listener import Listener
from .model import Model

__all__ = ("Hit", "Listener", "Model", "__version__")

__version__ = "0.1.0"
