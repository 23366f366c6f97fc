# SPDX-License-Identifier: MIT
"""Names and record layouts of models/SPEC.md, shared by pack and unpack; firmware/core/decode.h has the same names."""

from __future__ import annotations

import struct
from enum import IntEnum

__all__ = [
    "ADD",
    "BOUNDED",
    "CODED_VERSION",
    "CONV",
    "COPY",
    "FULLY_CONNECTED",
    "HEADER",
    "IO_HEAD",
    "MAGIC",
    "MEAN",
    "MUL",
    "NO_ORIGIN",
    "OP_HEAD",
    "PART",
    "POOL",
    "SECTION",
    "SOFTMAX",
    "TABLE",
    "TENSOR",
    "VERSION",
    "OpCode",
    "Place",
    "Section",
    "TensorType",
]

MAGIC = b"TWM\x1a"
VERSION = 1
CODED_VERSION = 2  # of a coded file, whose image is of version 1
NO_ORIGIN = 0xFFFF
BOUNDED = 1  # a flag of operators with weights

HEADER = struct.Struct("<4sBBHIIIIII")  # magic version flags sections file arena state payload-crc 0 header-crc
SECTION = struct.Struct("<HHII")  # type 0 offset bytes
TENSOR = struct.Struct("<IHHHBBhbB")  # offset h w c type place zero-point fill 0
OP_HEAD = struct.Struct("<BBHHH")  # code 0 bytes in out
IO_HEAD = struct.Struct("<HHHHiibbBB")  # input output warm-up frames mantissas exponents ranks

# What follows the head of an operator's record.
CONV = struct.Struct("<III8B2bHII")  # weights bias requant kernel stride pad dilation act 0 scratch scratch-bytes
FULLY_CONNECTED = struct.Struct("<III2bBBII")  # weights bias requant act per-channel 0 scratch scratch-bytes
PART = struct.Struct("<HBB")  # sums part 0; a FULLY_CONNECTED_PART has it before what a FULLY_CONNECTED has
POOL = struct.Struct("<6B2b")  # kernel stride pad act
MEAN = struct.Struct("<ibBH")  # multiplier shift 0 0
TABLE = struct.Struct("<I")  # table
SOFTMAX = struct.Struct("<ibBh")  # multiplier shift 0 diff-min
ADD = struct.Struct("<H2b3i3bBI")  # in-2 act multipliers shifts subtract 0
MUL = struct.Struct("<H2bibBH")  # in-2 act multiplier shift 0 0
COPY = struct.Struct("<2I3II3I3IBbH")  # in-offset out-offset counts run in-strides out-strides filled fill 0


class Section(IntEnum):
    """Types of sections; from 0x8000 on they are optional."""

    TENSORS = 1
    OPS = 2
    WEIGHTS = 3
    IO = 4
    FRONTEND = 5
    INPUT_MAP = 6
    DETECTOR = 7
    PROVENANCE = 0x8001
    ORIGINS = 0x8002


class OpCode(IntEnum):
    """Codes of operators."""

    CONV_2D = 1
    DEPTHWISE_CONV_2D = 2
    FULLY_CONNECTED = 3
    AVERAGE_POOL_2D = 4
    MAX_POOL_2D = 5
    MEAN = 6
    TABLE = 7
    SOFTMAX = 8
    STATE_PUSH = 9
    ADD = 10
    MUL = 11
    COPY = 12
    FULLY_CONNECTED_PART = 13


class Place(IntEnum):
    """Where a tensor lies."""

    ARENA = 0
    STATE = 1
    WEIGHTS = 2


class TensorType(IntEnum):
    """Element types."""

    INT8 = 0
    UINT8 = 1
