# SPDX-License-Identifier: MIT
"""The C core of the boards, in process: what is measured and trained here is what runs there.

A ctypes view of firmware/core. Errors of the core become FormatError with the core's own error name. Objects are not
thread-safe; every one owns its memory.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    c_bool,
    c_char,
    c_int,
    c_int16,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint16,
    c_uint32,
    c_void_p,
)
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.coded import decoded, is_coded
from tinywake.errors import FormatError, ModelError
from tinywake.files import what_else, why_unread
from tinywake.frontend import FrontendParams, frontend_section
from tinywake.native import aligned, check, core_path

__all__ = ["Detector", "Frontend", "Gate", "Heard", "Listener", "Model"]

_DIFFERENT = -9  # FRONTEND, of a gate's and a wake word's

_u8p, _u16p, _i16p = POINTER(c_uint8), POINTER(c_uint16), POINTER(c_int16)


class _Steps(ctypes.Structure):
    """tw_abi_steps_t: addresses of arrays."""

    _fields_ = [(name, c_void_p) for name in ("scores", "means", "t_ms", "events", "ready", "awake", "invokes")]


@cache
def _library() -> ctypes.CDLL:
    lib = ctypes.CDLL(core_path())
    for name, result, *arguments in (
        ("tw_model_open", c_int, c_void_p, c_void_p, c_size_t),
        ("tw_model_verify", c_int, c_void_p),
        ("tw_model_attach", c_int, c_void_p, c_void_p, c_size_t),
        ("tw_model_reset", None, c_void_p),
        ("tw_model_run", c_int, c_void_p, c_uint32, c_uint32),
        ("tw_listener_open", c_int, c_void_p, c_void_p),
        ("tw_listener_attach", None, c_void_p, c_void_p),
        ("tw_listener_reset", None, c_void_p),
        ("tw_frontend_check", c_int, c_void_p, c_size_t),
        ("tw_frontend_open", None, c_void_p, c_void_p),
        ("tw_frontend_reset", None, c_void_p),
        ("tw_detector_check", c_int, c_void_p, c_size_t, c_uint32),
        ("tw_detector_open", None, c_void_p, c_void_p),
        ("tw_detector_attach", None, c_void_p, c_void_p),
        ("tw_detector_reset", None, c_void_p),
        ("tw_detector_push", c_int, c_void_p, _u8p, c_uint32),
        ("tw_detector_name", c_void_p, c_void_p, c_uint32, POINTER(c_size_t)),
        ("tw_detector_wake", c_bool, c_void_p, c_uint32),
        ("tw_abi_model_size", c_size_t),
        ("tw_abi_listener_size", c_size_t),
        ("tw_abi_frontend_size", c_size_t),
        ("tw_abi_detector_size", c_size_t),
        ("tw_abi_gate_size", c_size_t),
        ("tw_abi_gate_memory", c_int64, c_void_p),
        ("tw_abi_put_gate", c_int, c_void_p, c_void_p, c_void_p, c_uint16, c_uint8),
        ("tw_gate_attach", None, c_void_p, c_void_p),
        ("tw_backlog_reach", c_int, c_void_p),
        ("tw_abi_model", c_int64, c_void_p, c_int),
        ("tw_abi_listener", c_int64, c_void_p, c_int),
        ("tw_abi_frontend", c_int64, c_void_p, c_int),
        ("tw_abi_detector", c_int64, c_void_p, c_int),
        ("tw_abi_model_input", c_void_p, c_void_p),
        ("tw_abi_model_output", c_void_p, c_void_p),
        ("tw_abi_listener_detector", c_void_p, c_void_p),
        ("tw_abi_listen", c_size_t, c_void_p, _i16p, c_size_t, POINTER(_Steps)),
        ("tw_abi_features", c_size_t, c_void_p, _i16p, c_size_t, _u16p),
    ):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def _pcm(samples: NDArray[Any]) -> NDArray[np.int16]:
    if samples.dtype != np.int16 or samples.ndim != 1:
        raise ModelError(f"samples must be int16 [n], not {samples.dtype} {list(samples.shape)}")
    return np.ascontiguousarray(samples)


class Frontend:
    """Audio to features: int16 samples in, uint16 [frames, channels] out, in chunks of any length."""

    def __init__(self, params: FrontendParams | None = None) -> None:
        self._lib = _library()
        self.params = FrontendParams() if params is None else params
        self._section = aligned(frontend_section(self.params))
        check(self._lib.tw_frontend_check(self._section.ctypes.data, len(self._section)), "front end")
        self._state = (c_char * self._lib.tw_abi_frontend_size())()
        self._lib.tw_frontend_open(self._state, self._section.ctypes.data)
        self.window = self._lib.tw_abi_frontend(self._state, 1)
        self.hop = self._lib.tw_abi_frontend(self._state, 2)

    def reset(self) -> None:
        """As new."""
        self._lib.tw_frontend_reset(self._state)

    def push(self, samples: NDArray[np.int16]) -> NDArray[np.uint16]:
        """Take samples int16 [n]; return the frames they complete, uint16 [frames, channels]."""
        pcm = _pcm(samples)
        room = len(pcm) // self.hop + 1
        out = np.empty((room, self.params.channels), np.uint16)
        count = self._lib.tw_abi_features(self._state, pcm.ctypes.data_as(_i16p), len(pcm), out.ctypes.data_as(_u16p))
        return out[:count]

    def features(self, samples: NDArray[np.int16]) -> NDArray[np.uint16]:
        """Features of one clip from a fresh start: uint16 [frames, channels]."""
        self.reset()
        return self.push(samples)


class Model:
    """A .twm that has been opened and given its arena. `data` is its bytes, or a buffer to read in place."""

    def __init__(self, data: bytes | NDArray[np.uint8], name: str = "model") -> None:
        self._lib = _library()
        self.name = name
        if is_coded(data):
            data = decoded(data, name)
        self._file = aligned(data) if isinstance(data, bytes) else data
        self._state = (c_char * self._lib.tw_abi_model_size())()
        check(self._lib.tw_model_open(self._state, self._file.ctypes.data, len(self._file)), name)
        fields = (self._lib.tw_abi_model(self._state, i) for i in range(8))
        (self.arena_bytes, self.state_bytes, self.input_bytes, self.output_bytes,
         self.ops, self.frames, self.warmup, listens) = (int(value) for value in fields)  # fmt: skip
        self.listens = bool(listens)
        self._arena = aligned(bytes(self.arena_bytes))
        check(self._lib.tw_model_attach(self._state, self._arena.ctypes.data, len(self._arena)), name)

    @classmethod
    def open(cls, path: Path) -> Model:
        """Open a file. Raises FormatError for what a reader must reject, the payload's checksum included.

        The core takes a buffer, which may be longer than the model in it (a slot of flash); a file may not.
        """
        try:
            data = path.read_bytes()
        except OSError as e:
            raise ModelError(f"{path}: {why_unread(e)}") from e
        if (what := what_else(data)) and data and not data.startswith(b"TWM"):
            raise FormatError(f"{path}: TW_ERR_MAGIC: not a .twm model file{what}")
        model = cls(data, str(path))
        model.verify()
        behind = len(data) - int.from_bytes(data[8:12], "little")  # models/SPEC.md, Header
        if behind:
            raise FormatError(f"{path}: {behind:,} bytes stand behind the model's end; copy or compile it again")
        return model

    def verify(self) -> None:
        """Check the payload's checksum."""
        check(self._lib.tw_model_verify(self._state), self.name)

    def reset(self) -> None:
        """Streaming state as at the first invoke."""
        self._lib.tw_model_reset(self._state)

    def load(self, x: NDArray[Any]) -> None:
        """Copy one input: exactly as many bytes as the input tensor has."""
        data = np.ascontiguousarray(x).view(np.uint8).ravel()
        if len(data) != self.input_bytes:
            raise ModelError(f"{self.name}: an input has {self.input_bytes} values, not {len(data)}")
        ctypes.memmove(self._lib.tw_abi_model_input(self._state), data.ctypes.data, len(data))

    def run(self, first: int, last: int) -> None:
        """Run operators first..last-1 on what load() copied; ranges may follow each other in several calls."""
        check(self._lib.tw_model_run(self._state, first, last), self.name)

    def store(self) -> NDArray[np.uint8]:
        """Bytes of the output."""
        out = np.empty(self.output_bytes, np.uint8)
        ctypes.memmove(out.ctypes.data, self._lib.tw_abi_model_output(self._state), len(out))
        return out

    @property
    def arena(self) -> NDArray[np.uint8]:
        """Read-only view of the working memory, streaming state first: after run(), what its operators computed."""
        view = self._arena.view()
        view.flags.writeable = False
        return view

    def invoke(self, x: NDArray[Any]) -> NDArray[np.uint8]:
        """One invoke: bytes of the input in, bytes of the output out."""
        self.load(x)
        self.run(0, self.ops)
        return self.store()


@dataclass(frozen=True)
class Heard:
    """What a listener made of a stretch of audio, one row a step.

    scores: uint8 [steps, labels], probability times 256. means: uint8 [steps, labels], what the detector compares with
    the threshold. t_ms: int64 [steps], end of the step since the start. events: int8 [steps], index of the label that
    fired, or -1. ready: bool [steps], the receptive field is full. awake: bool [steps], the network has run; where a
    gate let it sleep, the scores are 0.
    """

    scores: NDArray[np.uint8]
    means: NDArray[np.uint8]
    t_ms: NDArray[np.int64]
    events: NDArray[np.int8]
    ready: NDArray[np.bool_]
    awake: NDArray[np.bool_]


@dataclass(frozen=True)
class Gate:
    """What lets a wake word's network sleep: a model with a detector of its own, or None for the sound's energy.

    hold_ms: how long it stays open, 0..65535. margin_db: how far the sound stands out of steady noise, of the energy,
    0..255; docs/gate.md says how the values were found.
    """

    model: Model | None = None
    hold_ms: int = 1000
    margin_db: int = 18


class Detector:
    """The detector alone: scores in, events out. `section` is a DETECTOR section (models/SPEC.md)."""

    def __init__(self, section: bytes) -> None:
        self._lib = _library()
        self._section = aligned(section)
        labels = section[0] if section else 0
        check(self._lib.tw_detector_check(self._section.ctypes.data, len(section), labels), "detector")
        self._state = (c_char * self._lib.tw_abi_detector_size())()
        self._lib.tw_detector_open(self._state, self._section.ctypes.data)
        self._memory = aligned(bytes(int(self._lib.tw_abi_detector(self._state, 4))))
        self._lib.tw_detector_attach(self._state, self._memory.ctypes.data)
        self.labels = labels

    def reset(self) -> None:
        """As new."""
        self._lib.tw_detector_reset(self._state)

    def push(self, scores: NDArray[np.uint8], t_ms: int) -> int:
        """One step: scores uint8 [labels] at time t_ms. Return the label of an event, or -1."""
        row = np.ascontiguousarray(scores, np.uint8)
        if row.shape != (self.labels,):
            raise ModelError(f"a step has {self.labels} scores, not {list(row.shape)}")
        return int(self._lib.tw_detector_push(self._state, row.ctypes.data_as(_u8p), t_ms & 0xFFFFFFFF))


class Listener:
    """Front end, network and detector of one model, in step, behind a gate where there is one."""

    def __init__(self, model: Model, gate: Gate | None = None) -> None:
        self._lib = _library()
        self.model, self.gate = model, gate
        if not model.listens:
            raise ModelError(f"{model.name}: has no front end, so it cannot listen; compile it with a detector")
        self._state = (c_char * self._lib.tw_abi_listener_size())()
        check(self._lib.tw_listener_open(self._state, model._state), model.name)
        self._gate = None if gate is None else self._put(gate)
        detector = self._lib.tw_abi_listener_detector(self._state)
        self._memory = aligned(bytes(int(self._lib.tw_abi_detector(detector, 4))))
        self._lib.tw_listener_attach(self._state, self._memory.ctypes.data)
        self.step_samples = int(self._lib.tw_abi_listener(self._state, 5))
        count = int(self._lib.tw_abi_detector(detector, 0))
        self.labels = tuple(self._name(detector, i) for i in range(count))
        self.wake = tuple(bool(self._lib.tw_detector_wake(detector, i)) for i in range(count))
        self._invokes = np.zeros(2, np.uint64)

    @property
    def ram_bytes(self) -> int:
        """Of front end and detector, without the model; some 50 less on a board, whose pointers are half as long."""
        return len(self._state) + len(self._memory)

    @property
    def gate_bytes(self) -> int:
        """Of what a gate adds, without the arena of its model: its state, and the wake word's latest inputs."""
        return 0 if self._gate is None else len(self._gate[0]) + len(self._gate[1])

    @property
    def invokes(self) -> tuple[int, int]:
        """How often the wake word's network and the gate's have run since this was made."""
        word, gate = self._invokes.tolist()
        return word, gate

    def _put(self, gate: Gate) -> tuple[ctypes.Array[c_char], NDArray[np.uint8]]:
        """The gate's own memory, and what it has been given."""
        name = f"{self.model.name} behind {gate.model.name if gate.model else 'the gate'}"
        if not (0 <= gate.hold_ms <= 65535 and 0 <= gate.margin_db <= 255):
            raise ModelError(f"{name}: it stays open for 0 to 65535 ms, and its margin is 0 to 255 dB")
        if gate.model and not gate.model.listens:
            raise ModelError(f"{name}: the gate has no front end, so it cannot listen; compile it with a detector")
        if gate.model and np.array_equal(gate.model._file, self.model._file):
            raise ModelError(f"{name}: these are the same network; a gate is another one, that costs less")
        state = (c_char * self._lib.tw_abi_gate_size())()
        code = self._lib.tw_abi_put_gate(
            self._state, state, gate.model._state if gate.model else None, gate.hold_ms, gate.margin_db
        )
        if code == _DIFFERENT:
            raise ModelError(f"{name}: their front ends differ, so they cannot share one; compile both with one step")
        check(code, name)
        memory = aligned(bytes(int(self._lib.tw_abi_gate_memory(state))))
        self._lib.tw_gate_attach(state, memory.ctypes.data)
        return state, memory

    def _name(self, detector: int, label: int) -> str:
        length = c_size_t()
        address = self._lib.tw_detector_name(detector, label, ctypes.byref(length))
        return ctypes.string_at(address, length.value).decode(errors="replace")

    def reset(self) -> None:
        """Front end, network state, detector and time as new."""
        self._lib.tw_listener_reset(self._state)

    def push(self, samples: NDArray[np.int16]) -> Heard:
        """Take samples int16 [n] at 16 kHz; return the steps they complete."""
        pcm = _pcm(samples)
        room = len(pcm) // self.step_samples + 1
        scores, means = np.empty((2, room, len(self.labels)), np.uint8)
        t_ms, events = np.empty(room, np.uint32), np.empty(room, np.int8)
        ready, awake = np.empty((2, room), np.uint8)
        into = (scores, means, t_ms, events, ready, awake, self._invokes)
        steps = self._lib.tw_abi_listen(
            self._state, pcm.ctypes.data_as(_i16p), len(pcm), _Steps(*(array.ctypes.data for array in into))
        )
        rows = scores[:steps], means[:steps], t_ms[:steps].astype(np.int64), events[:steps]
        return Heard(*rows, ready[:steps].astype(np.bool_), awake[:steps].astype(np.bool_))

    def listen(self, samples: NDArray[np.int16]) -> Heard:
        """One clip from a fresh start."""
        self.reset()
        return self.push(samples)
