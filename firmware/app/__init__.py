# SPDX-License-Identifier: MIT
"""tinywake on a board: hear a word, or run any compiled network.

What a program looks like:

    import tinywake
    listener = tinywake.Listener("computer.twm", on_hit=lambda hit: print(hit.label, hit.score))
    listener.start()                     # in the background; or run(), for hit in, async for, feed(pcm)

    net = tinywake.Model("gesture.twm")
    net.run(x, y)                        # int8 in, int8 out, no allocation
"""

import gc

try:
    import _tinywake  # noqa: F401 - it is there
except ImportError:
    from . import native  # noqa: F401 - beside this file
gc.collect()  # what an import leaves behind would lie between what stays, and no large piece be left for a model
from .model import Model  # noqa: E402

gc.collect()
from .engine import Hit  # noqa: E402

gc.collect()
from .listener import Listener  # noqa: E402

gc.collect()
del gc

__all__ = ("Hit", "Listener", "Model", "__version__")

__version__ = "0.1.0"
