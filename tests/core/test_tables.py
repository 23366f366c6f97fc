"""Tables of 256 against TensorFlow Lite Micro: every input byte, many scales and zero points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from forge import T, single

from tinywake.compiler.graph import Tensor
from tinywake.compiler.tflite import fixed, quantise, tables

ALL = np.arange(256, dtype=np.uint8)
Function = Callable[[Tensor, Tensor], np.ndarray]


def oracle(blob: bytes, dtype: str) -> np.ndarray:
    """All 256 answers of a network of one operator, as raw bytes."""
    runtime: Any = pytest.importorskip("tflite_micro", reason="tflite-micro is not installed").runtime
    network = runtime.Interpreter.from_bytes(blob)
    network.set_input(ALL.view(dtype)[None], 0)
    network.invoke()
    answers: np.ndarray = network.get_output(0)[0].view(np.uint8)
    return answers


def tensor(t: T) -> Tensor:
    return Tensor("t", t.shape, t.dtype.lower(), float(np.float32(t.scale)), int(t.zero), 0)  # type: ignore[arg-type]


def agree(name: str, function: Function, x: T, y: T, *others: T, options: Any = None) -> None:
    expected = oracle(single(name, x, y, *others, options=options), x.dtype.lower())
    np.testing.assert_array_equal(
        function(tensor(x), tensor(y)), expected, err_msg=f"{name} {x} {y} {others} {options}"
    )


def pairs(count: int, seed: int, apart: float = 2.0) -> list[tuple[T, T]]:
    """Inputs and outputs: equal scales, powers of two (halves to round), any; zero points at the ends and anywhere."""
    rng = np.random.default_rng(seed)
    made = []
    for n in range(count):
        a = float(np.float32(2.0 ** rng.uniform(-9, 2)))
        b = a * (1, 2.0 ** rng.integers(-1, 2), 2.0 ** rng.uniform(-apart, apart))[n % 3]
        zeros = [int(rng.choice([-128, 0, 127, rng.integers(-128, 128)])) for _ in range(2)]
        made.append((T((1, 256), scale=a, zero=zeros[0]), T((1, 256), scale=float(np.float32(b)), zero=zeros[1])))
    return made


FUNCTIONS: dict[str, Function] = {
    "QUANTIZE": tables.requantise,
    "RELU": tables.relu,
    "RELU6": tables.relu6,
    "HARD_SWISH": tables.hard_swish,
    "ELU": tables.elu,
    "ABS": tables.absolute,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_one_element(name: str) -> None:
    for x, y in pairs(60, seed=len(name)):
        agree(name, FUNCTIONS[name], x, y)


@pytest.mark.parametrize(("name", "scale", "zero"), [("LOGISTIC", 1 / 256, -128), ("TANH", 1 / 128, 0)])
def test_functions_with_one_output_scale(name: str, scale: float, zero: int) -> None:
    for x, _ in pairs(60, seed=3):
        agree(name, {"LOGISTIC": tables.logistic, "TANH": tables.tanh}[name], x, T((1, 256), scale=scale, zero=zero))


@pytest.mark.parametrize("alpha", [0.3, 0.01, 0.5, 1.5, -0.5, -0.3, 0.0])
def test_leaky_relu(alpha: float) -> None:
    alpha = float(np.float32(alpha))
    for x, y in pairs(12, seed=4):
        options = ("LeakyReluOptions", {"Alpha": alpha})
        agree("LEAKY_RELU", lambda a, b: tables.leaky_relu(a, b, alpha), x, y, options=options)


def test_prelu_with_one_slope() -> None:
    rng = np.random.default_rng(5)
    for x, y in pairs(40, seed=5):
        level, zero = int(rng.integers(-128, 128)), int(rng.integers(-20, 20))
        scale = float(np.float32(2.0 ** rng.uniform(-9, -4)))
        slope = T((1,), scale=scale, zero=zero, data=[level])
        agree("PRELU", lambda a, b, s=scale, n=level - zero: tables.prelu(a, b, n, s), x, y, slope)  # type: ignore[misc]


def test_quantize_to_and_from_uint8() -> None:
    for x, y in pairs(30, seed=6):
        raised = T(y.shape, "UINT8", y.scale, int(y.zero) + 128)  # type: ignore[arg-type]
        agree("QUANTIZE", tables.requantise, x, raised)
        agree("QUANTIZE", tables.requantise, raised, x)


def test_float_islands() -> None:
    for x, y in pairs(30, seed=7):
        agree("ELU", tables.elu, x, y)
        levels = tables.dequantise(tensor(x))
        assert levels.dtype == np.float32
        np.testing.assert_array_equal(tables.quantise(levels, tensor(x)), ALL)  # there and back


def test_hard_swish_refuses_scales_that_its_registers_do_not_hold() -> None:
    for a, b in ((8.0, 0.01), (0.0003, 4.0)):
        with pytest.raises(ValueError, match="too far apart"):
            tables.hard_swish(Tensor("x", (1,), "int8", a, 0, 0), Tensor("y", (1,), "int8", b, 0, 0))


# ---- the numbers underneath


def test_multipliers() -> None:
    assert quantise.quantise_multiplier(0.0) == (0, 0)
    assert quantise.quantise_multiplier(1.0) == (1 << 30, 1)
    assert quantise.quantise_multiplier(0.5) == (1 << 30, 0)
    assert quantise.quantise_multiplier(1 - 2.0**-40) == (1 << 30, 1), "rounded up to the next power of two"
    assert quantise.quantise_multiplier(2.0**-33) == (0, 0), "too small to be kept"
    assert quantise.ratio_scaling(0.5, 0.25, 0.125) == (1 << 30, 1)
    assert quantise.add_scaling(0.5, 0.25, 1.0) == ((1 << 30, 0), (1 << 30, -1), (1 << 30, -19))
    assert quantise.mean_scaling(1.0, 1.0, 3) == ((1 << 31) // 3, 0)


def test_scales_are_combined_in_double() -> None:
    """Bug: fully connected layers rounded the product of the scales to float32, as older releases of TFLM did."""
    a, w = np.float32(0.1), np.float32(0.3)
    got = quantise.conv_requant(float(a), [float(w)], 1.0)
    assert int(got.multiplier[0]) == quantise.quantise_multiplier(float(a) * float(w))[0]
    assert int(got.multiplier[0]) != quantise.quantise_multiplier(float(a * w))[0]


def test_rounding() -> None:
    x = np.array([-3, -2, -1, 0, 1, 2, 3], np.int64)
    np.testing.assert_array_equal(fixed.divide(x, 1), [-2, -1, -1, 0, 1, 1, 2])  # halves away from zero
    np.testing.assert_array_equal(fixed.high(x, 1 << 30), [-1, -1, 0, 0, 1, 1, 2])  # halves up
    np.testing.assert_array_equal(fixed.multiply(x, 1 << 30, 1), x)
    assert int(fixed.high(np.array([-(1 << 31)]), -(1 << 31))[0]) == (1 << 31) - 1
