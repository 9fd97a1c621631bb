"""Why an equation is not affine in the input, in words that name what to change."""

from __future__ import annotations

from typing import Final

import numpy as np

from .piece import AFFINE, MOVES
from .program import Constant, Equation, Variable, is_float, widens

_LOOPS: Final = frozenset({"scan", "while", "cond"})
_CONVOLUTIONS: Final = ("conv_general_dilated", "reduce_window")
_STATISTICS: Final = frozenset({"rsqrt", "sqrt", "integer_pow", "square", "reduce_max"})


def is_relu(equation: Equation) -> bool:
    """Whether the equation is max(x, 0), with the 0 on either side, whatever the function around it is."""
    constants = [o for o in equation.operands if isinstance(o, Constant)]
    return equation.primitive == "max" and len(constants) == 1 and not constants[0].value.any()


def obstacle(equation: Equation, cuts: list[int]) -> str | None:
    """Why the equation is neither affine nor max(x, 0); `None` if it is one of them.

    `cuts` holds, for each operand that depends on the input, which nonlinearity it comes from: sums of values
    from the same one are affine, sums across two are a second path through the network.
    """
    name = equation.primitive
    live = [o for o in equation.operands if isinstance(o, Variable)]
    constants = [o for o in equation.operands if isinstance(o, Constant)]
    why = _unsupported(name) if name not in AFFINE and name != "max" else None
    why = why or _mixed(equation, cuts) or _dtypes(equation, live)
    if why is None and name == "max" and not is_relu(equation):
        why = "takes the maximum with a constant that is not 0; only max(x, 0) is supported"
    if why is None and name == "div" and not constants[0].value.all():
        why = "divides by a constant that has zeros"
    if why is None and name == "pad" and any(lo < 0 or hi < 0 or gap for lo, hi, gap in _padding(equation)):
        why = "pads by a negative amount or between entries; slice or reshape instead"
    if why is None and not all(np.isfinite(c.float64).all() for c in constants):
        why = "uses a constant that is not finite; look for a division by zero in what it is computed from"
    return why and f"layer `{equation.label}` {why} (`{name}`, {equation.source})"


def _padding(equation: Equation) -> list[tuple[int, int, int]]:
    return [(int(lo), int(hi), int(gap)) for lo, hi, gap in equation.params["padding_config"]]


def _unsupported(name: str) -> str:
    if name in _LOOPS:
        return "runs a loop or a branch on values that depend on the input; write it out in Python"
    if name.startswith(_CONVOLUTIONS):
        return (
            "is a convolution or a pooling, which is not supported yet; only dense layers and max(x, 0) are"
        )
    if name in _STATISTICS:
        return (
            "is not affine in the input; if this is a normalization, trace the network in inference mode, "
            "where its statistics are constants"
        )
    return "is neither affine in the input nor max(x, 0); use dense layers and ReLU"


def _mixed(equation: Equation, cuts: list[int]) -> str | None:
    """Two operands that depend on the input, where that is not affine."""
    name = equation.primitive
    live = [isinstance(o, Variable) for o in equation.operands]
    if name in ("mul", "dot_general") and all(live):
        return (
            "multiplies two values that both depend on the input "
            "(attention, a gate, or a normalization in training mode)"
        )
    if name == "div" and live[1]:
        return "divides by a value that depends on the input (a softmax, or a normalization in training mode)"
    if name == "max" and all(live):
        return "takes the maximum of two values that both depend on the input (max-pooling or maxout)"
    if name == "pad" and live[1]:
        return "pads with a value that depends on the input"
    if len(set(cuts)) > 1:
        if name == "concatenate":
            return "joins two values that depend on the input in different ways (a concatenation)"
        return "adds two values that both depend on the input (a residual sum); a chain has no skips"
    return None


def _dtypes(equation: Equation, live: list[Variable]) -> str | None:
    """What the machine's types do that real arithmetic does not."""
    after = equation.outputs[0].dtype
    for before in {str(v.dtype): v.dtype for v in live}.values():
        if not widens(before, after):
            return f"rounds from {before} to {after}; keep the values in {before}, or give a float example"
        if equation.primitive not in MOVES and not is_float(before):
            return f"computes in {before}, where sums wrap around; convert the example to float first"
    return None
