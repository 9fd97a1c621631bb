"""Why an equation cannot be a part of a network, in words that name what to change."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from .absorb import STRUCTURED
from .ball import AFFINE
from .moves import PADDED, move
from .program import Constant, Equation, Variable, is_float, widens

_LOOPS: Final = frozenset({"scan", "while", "cond"})
_STATISTICS: Final = frozenset({"rsqrt", "sqrt", "integer_pow", "square", "pow"})
_COMPARISONS: Final = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "select_n", "sign"})
NONLINEAR: Final = frozenset(
    {"max", "min", "clamp", "abs", "tanh", "logistic", "reduce_window_max", "reduce_max", "slopes"}
    | {"local_response"}
)
"""Primitives that become a nonlinearity; `slopes` and `local_response` stand for several equations."""


def obstacle(equation: Equation) -> str | None:
    """Why the equation is neither affine nor a nonlinearity that is known; `None` if it is one of them."""
    name = equation.primitive
    affine = _moves(equation) or (name in {*AFFINE, *STRUCTURED, *PADDED} and name != "dynamic_slice")
    why = _unsupported(name) if not affine and name not in NONLINEAR else None
    why = why or _mixed(equation) or _dtypes(equation)
    if why is None and not all(math.prod(v.shape) for v in (*equation.operands, *equation.outputs)):
        why = "computes with a value that has no entries; leave it out"
    if why is None and name != "local_response" and not _finite(equation):
        why = "uses a constant that is not finite; look for a division by zero in what it is computed from"
    if why is None and name in _SPECIAL:
        why = _SPECIAL[name](equation)
    return why and f"layer `{equation.label}` {why} (`{name}`, {equation.source})"


def unexpressed(equation: Equation) -> str:
    """An affine equation that has no form: neither a convolution nor a small matrix."""
    if equation.primitive == "gather":
        return (
            f"layer `{equation.label}` takes entries from outside the value (`gather`, {equation.source}); "
            "pad the value, or take places inside it"
        )
    return (
        f"layer `{equation.label}` is affine, but no convolution, and too large for an explicit matrix "
        f"(`{equation.primitive}`, {equation.source}); write it as convolutions, pooling and dense layers"
    )


def _moves(equation: Equation) -> bool:
    which = equation.operands[0]
    chooses = equation.primitive == "select_n" and isinstance(which, Constant) and not which.leaves
    return (
        equation.primitive == "gather" or (chooses and len(equation.live) == 1) or move(equation) is not None
    )


def _unsupported(name: str) -> str:
    if name in _LOOPS:
        return "runs a loop or a branch on values that depend on the input; write it out in Python"
    if name in _STATISTICS:
        return (
            "is not affine in the input; if this is a normalization, trace the network in inference mode, "
            "where its statistics are constants"
        )
    if name in _COMPARISONS:
        return (
            "chooses by comparing values that depend on the input; write ReLU, leaky ReLU, |x|, clip or a maximum, "
            "whose Lipschitz constants are known"
        )
    if name == "dynamic_slice":
        return "slices at a place that depends on the input"
    return (
        "is neither affine in the input nor a nonlinearity whose Lipschitz constant is known; use ReLU, leaky ReLU, "
        "|x|, clip, tanh, sigmoid or max pooling"
    )


def _finite(equation: Equation) -> bool:
    ends = equation.primitive in ("max", "min", "clamp")
    return all(
        (ends and not np.isnan(c.float64).any()) or np.isfinite(c.float64).all() for c in equation.constants
    )


def _mixed(equation: Equation) -> str | None:
    """Operands that depend on the input where that is not affine."""
    name = equation.primitive
    live = [isinstance(o, Variable) for o in equation.operands]
    if name in ("mul", "dot_general") and all(live):
        return (
            "multiplies two values that both depend on the input "
            "(attention, a gate, or a normalization in training mode)"
        )
    if name == "div" and live[1]:
        return "divides by a value that depends on the input (a softmax, or a normalization in training mode)"
    if name == "pad" and live[1]:
        return "pads with a value that depends on the input"
    if name == "conv_general_dilated" and live[1]:
        return "convolves with a kernel that depends on the input"
    if (name == "clamp" and live != [False, True, False]) or (name == "gather" and any(live[1:])):
        return "uses a limit or a place that depends on the input"
    return None


def _dtypes(equation: Equation) -> str | None:
    """What the machine's types do that real arithmetic does not."""
    moves = _moves(equation) or equation.primitive in PADDED
    after = equation.outputs[0].dtype
    for before in {str(v.dtype): v.dtype for v in equation.live}.values():
        if not widens(before, after):
            return f"rounds from {before} to {after}; keep the values in {before}, or give a float example"
        if not moves and not is_float(before):
            return f"computes in {before}, where sums wrap around; convert the example to float first"
    return None


def _no_zeros(equation: Equation) -> str | None:
    return None if equation.constants[0].value.all() else "divides by a constant that has zeros"


def _one_limit(equation: Equation) -> str | None:
    """A maximum, minimum or clip whose limits are one number each."""
    for limit in equation.constants:
        if limit.value.size == 0 or not (limit.value == limit.value.flat[0]).all():
            return "has a limit that differs between entries; use one number, or add the difference before"
        if limit.is_trained:
            return "has a limit that is a parameter; write relu(x - b) + b instead of max(x, b)"
    return None


def _ordinary(equation: Equation) -> str | None:
    p = equation.params
    if p["batch_group_count"] != 1:
        return "is a convolution that mixes examples (`batch_group_count`)"
    lhs = p["dimension_numbers"][0]
    if equation.live[0].shape[lhs[0]] != 1:
        return "applies one convolution to several maps at once; trace one example, without a batch axis"
    if len(lhs) not in (3, 4):
        return f"is a convolution in {len(lhs) - 2} dimensions; one and two are supported"
    if any(d != 1 for d in p["lhs_dilation"]):
        return "is a transposed convolution (`lhs_dilation`), which is not supported"
    return None


def _ordinary_window(equation: Equation) -> str | None:
    if any(d != 1 for d in equation.params["base_dilation"]):
        return "pools over a dilated base, which is not supported"
    return None


_SPECIAL: Final = {
    "div": _no_zeros,
    "max": _one_limit,
    "min": _one_limit,
    "clamp": _one_limit,
    "conv_general_dilated": _ordinary,
    "reduce_window_sum": _ordinary_window,
    "reduce_window_max": _ordinary_window,
}
