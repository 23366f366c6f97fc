# SPDX-License-Identifier: MIT
"""The native module where it lies beside this file, once for each architecture: the one that this board loads.

So one folder serves all boards (make bundle). Where there is a plain _tinywake, this is never imported.
"""

import sys

__all__ = ()

# By the number of the architecture in sys.implementation._mpy.
_ARCHES = {2: "x64", 4: "armv6m", 7: "armv7emsp", 10: "xtensawin", 11: "rv32imc"}

_arch = _ARCHES.get(getattr(sys.implementation, "_mpy", 0) >> 10 & 15)
if _arch is None:
    raise ImportError("no module named '_tinywake': this firmware loads no native modules, or none of ours")
for _kind in ("", "_i2s"):
    _name = "_" + _arch + _kind
    try:
        # As "import _tinywake" finds it from now on.
        sys.modules["_tinywake" + _kind] = __import__("tinywake." + _name, None, None, (_name,))
    except ImportError:
        if not _kind:
            raise
