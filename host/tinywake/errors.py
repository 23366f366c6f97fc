# SPDX-License-Identifier: MIT
"""Everything that can be the fault of a user, a file or a device.

    TinywakeError
    ├── ConfigError      recipe.toml or board.toml: unknown key, impossible value
    ├── AudioError       a clip or a folder of clips that cannot be used
    ├── ModelError       a .tflite or .twm that cannot be read, compiled or run
    │   ├── CompileError     the network is valid, but this compiler or format cannot express it
    │   └── FormatError      the .twm is damaged, truncated, or from another version
    ├── DeviceError      a port, a board or an emulated target that does not answer as it should
    └── ToolError        a program or an optional package that is missing

The command line prints one of these as a single line and exits with 2. Anything else is our own bug and keeps its
traceback.
"""

__all__ = [
    "AudioError",
    "CompileError",
    "ConfigError",
    "DeviceError",
    "FormatError",
    "ModelError",
    "TinywakeError",
    "ToolError",
]


class TinywakeError(Exception):
    """Root of the tree above. The message is one line that names the thing and the way out."""


class ConfigError(TinywakeError):
    """A recipe or board file is wrong."""


class AudioError(TinywakeError):
    """A clip or a folder of clips cannot be used."""


class ModelError(TinywakeError):
    """A model cannot be read, compiled or run."""


class CompileError(ModelError):
    """A valid network that the compiler or the format cannot express."""


class FormatError(ModelError):
    """A .twm that a reader must reject."""


class DeviceError(TinywakeError):
    """A board, port or emulated target does not answer as it should."""


class ToolError(TinywakeError):
    """A program or optional package is missing."""
