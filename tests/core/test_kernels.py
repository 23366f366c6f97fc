"""Every kernel, and the compiler's passes, against TensorFlow Lite Micro: committed vectors, and the oracle itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinywake.compiler.build import compile_tflite
from tinywake.compiler.graph import Conv2D, DepthwiseConv2D
from tinywake.core import Model
from tinywake.errors import CompileError, FormatError, ModelError

NETWORKS = ("image", "pooled", "word", "flat", "rows", "clipped", "residual", "shapes", "streaming")


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_equal_tflite_micro(vectors: Path, name: str) -> None:
    golden = np.load(vectors / "networks" / f"{name}.npz")
    model = Model(compile_tflite(vectors / "networks" / f"{name}.tflite").blob)
    for _ in range(2):  # the second time from a reset: as fresh
        for x, y in zip(golden["x"], golden["y"], strict=True):
            np.testing.assert_array_equal(model.invoke(x).view(y.dtype), y.ravel())
        model.reset()


@pytest.mark.parametrize("name", NETWORKS)
def test_running_in_pieces_equals_running_at_once(vectors: Path, name: str) -> None:
    golden = np.load(vectors / "networks" / f"{name}.npz")
    model = Model(compile_tflite(vectors / "networks" / f"{name}.tflite").blob)
    x = golden["x"][3]
    whole = model.invoke(x)
    model.reset()
    model.load(x)
    for op in range(model.ops):
        model.run(op, op + 1)
    np.testing.assert_array_equal(model.store(), whole)
    with pytest.raises(FormatError, match="TW_ERR_RANGE"):
        model.run(0, model.ops + 1)


@pytest.mark.parametrize(
    ("name", "frames"), [("word", 3), ("word", 6), ("word", 12), ("flat", 4), ("flat", 8), ("rows", 1), ("rows", 7)]
)
def test_streaming_equals_the_whole_window(vectors: Path, name: str, frames: int) -> None:
    path = vectors / "networks" / f"{name}.tflite"
    whole, streamed = compile_tflite(path), compile_tflite(path, frames=frames)
    window, stream = Model(whole.blob), Model(streamed.blob)
    rows = whole.graph.tensors[whole.graph.input].shape[1]
    audio = np.random.default_rng(7).integers(-128, 128, (40 * frames, window.input_bytes // rows)).astype(np.int8)
    for run in range(2):  # the second from a reset: as fresh
        compared = 0
        for end in range(frames, len(audio) + 1, frames):
            y = stream.invoke(audio[end - frames : end])
            if end // frames > stream.warmup:
                np.testing.assert_array_equal(
                    y, window.invoke(audio[end - rows : end]), err_msg=f"run {run}, frame {end}"
                )
                compared += 1
        assert compared == 40 - stream.warmup
        assert stream.warmup == -(-rows // frames) - 1
        stream.reset()
    assert streamed.graph.macs() < whole.graph.macs()


def test_what_cannot_be_streamed_is_refused_by_name(vectors: Path) -> None:
    networks = vectors / "networks"
    with pytest.raises(CompileError, match=r"operator 0 Conv2D: is padded along time"):
        compile_tflite(networks / "image.tflite", frames=2)
    with pytest.raises(CompileError, match=r"stride 3 in time but gets 2 new rows"):
        compile_tflite(networks / "word.tflite", frames=2)
    with pytest.raises(CompileError, match="must be 1 to 40"):
        compile_tflite(networks / "word.tflite", frames=41)


def test_the_same_network_gives_the_same_bytes(vectors: Path) -> None:
    path = vectors / "networks" / "word.tflite"
    assert compile_tflite(path, frames=3).blob == compile_tflite(path, frames=3).blob


def test_a_file_is_little_more_than_its_numbers(vectors: Path) -> None:
    compiled = compile_tflite(vectors / "networks" / "word.tflite")
    numbers = sum(
        op.weights.size + 9 * op.bias.size for op in compiled.graph.ops if isinstance(op, Conv2D | DepthwiseConv2D)
    )
    assert len(compiled.blob) < numbers + 1024


def test_damaged_networks_are_refused_in_one_line(vectors: Path, tmp_path: Path) -> None:
    """What compiles can be opened and run; what does not says why. With and without streaming."""
    path = tmp_path / "m.tflite"
    rng = np.random.default_rng(1)
    refused = 0
    for name in NETWORKS:
        data = (vectors / "networks" / f"{name}.tflite").read_bytes()
        for length in [0, 4, 8, 20, *rng.integers(20, len(data), 20).tolist()]:
            path.write_bytes(data[:length])
            refused += _refused(path, None)
        for _ in range(150):
            file = bytearray(data)
            for at in rng.integers(0, len(data), 3):
                file[at] = int(rng.integers(256))
            path.write_bytes(bytes(file))
            refused += _refused(path, None) + _refused(path, 3)
    assert refused > 100


def _refused(path: Path, frames: int | None) -> bool:
    message = ""
    try:
        model = Model(compile_tflite(path, frames=frames).blob)
    except ModelError as e:
        message = str(e)
    if not message:
        if model.arena_bytes < 1 << 20:
            model.invoke(np.zeros(model.input_bytes, np.int8))
        return False
    assert message.startswith(str(path)), "what compiles opens: the compiler looks at what it wrote"
    assert len(message.splitlines()) == 1
    return True
