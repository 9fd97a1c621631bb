"""Local response normalization, x / (k + sum of squares in a window)^beta, found among the equations that compute it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from .moves import move
from .program import Constant, Equation, Variable, is_float, widens
from .squares import ENTRIES, RULES, Squares, exponent_of


def normalizations(equations: Sequence[Equation]) -> list[Equation | None]:
    """For each equation, the `local_response` that it completes, if it does.

    Its parameters are `offset`, `exponent`, `reads` and `weights` [taps, *shape], positions in the flat operand, and
    `error`, relative, of offset and weights; or a `refusal` that says why it has no Lipschitz constant.
    """
    reader = _Reader()
    found = []
    for equation in equations:
        found.append(reader.normalization(equation))
        for output, variable in enumerate(equation.outputs):
            squares = reader.squares(equation, output)
            if squares is not None and squares.reads.size <= ENTRIES:
                reader.known[variable.index] = squares
            reader.made[variable.index] = equation, output
    return found


class _Reader:
    """The equations so far, and those of their values that are powers of sums of squares."""

    def __init__(self) -> None:
        self.made: dict[int, tuple[Equation, int]] = {}
        self.known: dict[int, Squares] = {}

    def normalization(self, equation: Equation) -> Equation | None:
        """`x / d` or `x * d`, where d is a power of a sum of squares of entries of x."""
        if equation.primitive not in ("div", "mul") or len(equation.live) != 2:
            return None
        (shape,) = [v.shape for v in equation.outputs]
        for x, d in (equation.live, equation.live[::-1])[: 1 if equation.primitive == "div" else 2]:
            squares = self.known.get(d.index)
            if squares is None or x.index == d.index or x.shape != shape:
                continue
            exponent = squares.exponent if equation.primitive == "div" else -squares.exponent
            root, places = self._root(x)
            if exponent == -1 or Fraction(float(exponent)) != exponent or root != squares.root:
                continue
            squares = squares.spread(shape)
            position = np.full(max(int(places.max(initial=0)), int(squares.reads.max(initial=0))) + 1, -1)
            position[places.reshape(-1)] = np.arange(x.size)
            reads = np.where(squares.reads < 0, -1, position[squares.reads])
            repeats = (position[places.reshape(-1)] != np.arange(x.size)).any()
            if repeats or (reads < 0)[squares.reads >= 0].any():
                continue
            own = (reads == np.arange(x.size).reshape(shape)).any(axis=0) | (reads < 0).all(axis=0)
            why = _refusal(squares, exponent, own)
            params: dict[str, Any] = {"refusal": why}
            if why is None:
                params = {
                    "offset": float(squares.offset.flat[0]),
                    "exponent": float(exponent),
                    "reads": reads,
                    "weights": squares.weights,
                    "error": squares.error,
                }
            return replace(
                equation, primitive="local_response", params=params, operands=(x,), leaves=frozenset()
            )
        return None

    def squares(self, equation: Equation, output: int) -> Squares | None:
        """One output of an equation as a power of a sum of squares."""
        after = equation.outputs[output]
        if not is_float(after.dtype) or not all(widens(v.dtype, after.dtype) for v in equation.live):
            return None
        operands = [self.known.get(o.index) if isinstance(o, Variable) else o for o in equation.operands]
        place = move(equation, output)
        if place is not None:
            return operands[0].moved(place) if isinstance(operands[0], Squares) else None
        if all(o is None or isinstance(o, Constant) for o in operands):
            return self._square(equation)
        if any(o is None for o in operands):
            return None
        rule = RULES.get(equation.primitive)
        result = None if rule is None else rule(equation, operands)
        if result is None:
            return None
        return replace(result, learned=result.learned or bool(equation.leaves))

    def _square(self, equation: Equation) -> Squares | None:
        """The squares of the entries of a value."""
        live = {v.index: v for v in equation.live}
        twice = equation.primitive == "mul" and len(equation.live) == 2
        if len(live) != 1 or not (twice or exponent_of(equation) == 2):
            return None
        root, places = self._root(*live.values())
        return Squares(
            root=root,
            reads=places[None],
            weights=np.ones((1, *places.shape)),
            offset=np.zeros(places.shape),
        )

    def _root(self, variable: Variable) -> tuple[int, np.ndarray]:
        """The value that this one rearranges, and the flat positions of its entries there."""
        moves = []
        while variable.index in self.made:
            equation, output = self.made[variable.index]
            place = move(equation, output)
            before = equation.live[0]
            if place is None or not widens(before.dtype, variable.dtype):
                break
            moves.append(place)
            variable = before
        places = np.arange(variable.size).reshape(1, *variable.shape)
        for place in reversed(moves):
            places = place(places)
        return variable.index, places[0]


def _refusal(squares: Squares, exponent: Fraction, own: np.ndarray) -> str | None:
    """Why x (offset + sum)^-exponent has no Lipschitz constant, or none that is known."""
    k = float(squares.offset.min(initial=math.inf))
    what = "divides by a power of k plus a weighted sum of squares (local response normalization)"
    if squares.learned:
        return f"{what}, where k, the weights or the exponent are parameters; make them fixed numbers"
    if exponent < 0:
        return f"multiplies by a growing power of a sum of squares, {float(-exponent):g}; divide by it"
    if k <= 0:
        return (
            f"{what}, where k = {k:g}, so that it has no Lipschitz constant; add a positive k to the sum, or trace "
            "the network in inference mode if these are statistics of a normalization"
        )
    if np.ptp(squares.offset) > 0:
        return f"{what}, where k differs between entries; use one number"
    if (squares.weights < 0).any():
        return (
            f"{what}, where some weights are negative, so that the sum can vanish; use weights of at least 0"
        )
    if not own.all() and exponent:
        return f"{what}, which lacks the square of the entry divided, so that it has no Lipschitz constant; add it"
    return None
