"""Several equations that are one nonlinearity, read as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .normalization import normalizations
from .program import Constant, Equation, Program, Variable


def recognized(program: Program) -> Program:
    """The program with each idiom as one equation, and without the equations that it replaces."""
    made = {v.index: e for e in program.equations for v in e.outputs}
    responses = normalizations(program.equations)
    equations = [r or _slopes(e, made) or e for e, r in zip(program.equations, responses, strict=True)]
    return replace(program, equations=tuple(_needed(equations, program)))


def _needed(equations: list[Equation], program: Program) -> list[Equation]:
    needed, kept = {getattr(program.output, "index", -1)}, []
    for equation in reversed(equations):
        if needed.intersection(v.index for v in equation.outputs):
            needed.update(v.index for v in equation.live)
            kept.append(equation)
    return kept[::-1]


def _slopes(equation: Equation, made: dict[int, Equation]) -> Equation | None:
    """`where(x > 0, a x, b x)`: leaky ReLU, ReLU or |x| written as a choice."""
    if equation.primitive != "select_n" or len(equation.operands) != 3:
        return None
    which, *cases = equation.operands
    test = made.get(which.index) if isinstance(which, Variable) else None
    if test is None or test.primitive not in ("ge", "gt", "le", "lt"):
        return None
    left, right = test.operands
    above = test.primitive in ("ge", "gt")
    if isinstance(left, Constant) and isinstance(right, Variable):
        left, right, above = right, left, not above
    if not isinstance(left, Variable) or not isinstance(right, Constant) or right.value.any():
        return None
    slopes = [_multiple(case, left, made) for case in cases]
    if slopes[0] is None or slopes[1] is None:
        return None
    no, yes = slopes
    params = {"below": no, "above": yes} if above else {"below": yes, "above": no}
    return replace(equation, primitive="slopes", params=params, operands=(left,), leaves=frozenset())


def _multiple(case: Variable | Constant, x: Variable, made: dict[int, Equation]) -> float | None:
    """The t with case = t x; `None` if there is none."""
    if isinstance(case, Constant):
        return None if case.value.any() else 0.0
    if case.index == x.index:
        return 1.0
    by = made.get(case.index)
    if by is None or by.outputs[0].shape != x.shape:
        return None
    if by.primitive == "neg" and by.live[0].index == x.index:
        return -1.0
    if by.primitive == "mul" and len(by.live) == 1 and by.live[0].index == x.index:
        factor = by.constants[0]
        if not by.is_trained and np.ptp(factor.float64) == 0 and np.isfinite(factor.float64).all():
            return float(factor.float64.flat[0])
    return None
