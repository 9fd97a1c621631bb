"""A norm is the norm of the layer's operator at its real input shape: not of a reshaped kernel, and not from below only."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import quantities
from ..bound import Bound
from ..interval import Interval
from ..quantities.quantity import Measurement, UnavailableError
from .finding import PASSED, Finding, failed, skipped
from .networks import stock
from .refusals import study_of

ROUNDING = 1e-9
"""Relative; of the reference computation in double precision."""

LOOSENESS = 4
"""An upper end more than this factor above the norm is no measurement of it."""


def norms_are_those_of_the_operator(bound: Bound) -> Finding:
    """Each quantity that claims to be a norm of the layers contains that norm of their unrolled matrices.

    A plugin's own norms must say which norm they are; those of `boundcheck.quantities` that say nothing are tested there.
    """
    claimed = [m for m in bound.symbols.values() if m.norm is not None]
    for measurement in bound.symbols.values():
        if measurement.norm is None and _is_a_norm_of_its_own(measurement):
            return failed(
                f"the {measurement.title} is a quantity of the plugin's own, one number a layer, and does not say which "
                "norm it is; declare `norm=`, so that it can be compared, or name this check in `expected`."
            )
    if not claimed:
        return skipped("none of its quantities claims to be a norm of each layer (`norm=` of a measurement).")
    for measurement in claimed:
        for name in ("dense", "convolutional"):
            wrong = _wrong_norm(measurement, name)
            if wrong:
                return failed(wrong)
    return PASSED


def _is_a_norm_of_its_own(measurement: Measurement) -> bool:
    if measurement in vars(quantities).values() or "norm" not in measurement.title.lower():
        return False
    try:
        return isinstance(study_of("dense").measure(measurement).value, tuple)
    except UnavailableError:
        return False


def _wrong_norm(measurement: Measurement, name: str) -> str:
    try:
        value = study_of(name).measure(measurement).value
    except UnavailableError as error:
        return f"the {measurement.title} is not to be had for the stock network `{name}`: {error}"
    matrices = _matrices(name)
    if not isinstance(value, tuple) or len(value) != len(matrices):
        return f"the {measurement.title} of the stock network `{name}` should be {len(matrices)} intervals."
    for layer, (interval, matrix) in enumerate(zip(value, matrices, strict=True), start=1):
        truth = _norm(measurement.norm, matrix)
        allowed = Interval(truth * (1 - ROUNDING), truth * (1 + ROUNDING))
        if interval.hi < allowed.lo or interval.lo > allowed.hi or interval.hi > LOOSENESS * truth:
            return (
                f"the {measurement.title} of layer {layer} of the stock network `{name}` is {interval}, and its "
                f"{measurement.norm} norm, of the matrix that maps its input to its output, is {truth:.10g}."
            )
    return ""


def _norm(kind: Any, matrix: np.ndarray) -> float:
    if kind == "frobenius":
        return float(np.sqrt(np.sum(matrix**2)))
    if kind == "inf":
        return float(np.abs(matrix).sum(axis=1).max())
    return float(np.linalg.svd(matrix, compute_uv=False)[0])


def _matrices(name: str) -> list[np.ndarray]:
    """The layers as matrices, float64, written out index by index."""
    params = {key: value.astype(np.float64) for key, value in stock()[name].params.items()}
    first = params["in"] if name == "dense" else _unrolled(params["kernel"], stock()[name].shape)
    return [first, params["out"]]


def _unrolled(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The matrix of a convolution with zeros around: entry (o, i, j; c, u, v) is the kernel at the shift between them."""
    outputs, channels, size, _ = kernel.shape
    _, height, width = shape
    matrix = np.zeros((outputs, height, width, channels, height, width))
    for i, j, u, v in np.ndindex(height, width, height, width):
        a, b = u - i + size // 2, v - j + size // 2
        if 0 <= a < size and 0 <= b < size:
            matrix[:, i, j, :, u, v] = kernel[:, :, a, b]
    return matrix.reshape(outputs * height * width, channels * height * width)
