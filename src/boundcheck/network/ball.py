"""Affine equations applied to a dense matrix and its bias, with a bound of the rounding of both.

A value that depends on n numbers is an array `(n + 1, *shape)`, whose first n rows carry the linear part and
whose last row carries the constant part. Every operation returns midpoints and radii, elementwise. The radius
stays `None` as long as every operation is known to be exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from .moves import Move, move, pad, padding
from .program import LAYOUT, Constant, Equation
from .rounding import TINY, gam, inflate, product, quotient, two_sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Ball:
    """An array `(n + 1, *shape)` of midpoints with radii; `radius` is `None` where all are 0."""

    mid: np.ndarray
    radius: np.ndarray | None


def adds_constant(equation: Equation) -> bool:
    """Whether the equation adds something that does not depend on the input: a bias, whatever its value."""
    constants = [o for o in equation.operands if isinstance(o, Constant)]
    if equation.primitive in ("add", "add_any", "sub"):
        return bool(constants)
    return equation.primitive in ("concatenate", "pad") and any(
        c.is_trained or c.value.any() for c in constants
    )


def _ball(mid: np.ndarray, radius: np.ndarray | None) -> Ball:
    return Ball(mid=mid, radius=radius if radius is not None and radius.any() else None)


def _each(ball: Ball, place: Move) -> Ball:
    """The same rearrangement of midpoints and radii."""
    return Ball(mid=place(ball.mid), radius=None if ball.radius is None else place(ball.radius))


def spread_ball(ball: Ball, shape: tuple[int, ...]) -> Ball:
    """The ball broadcast to rows of `shape`: a smaller array meets a larger one in `add` and `mul`."""

    def spread(a: np.ndarray) -> np.ndarray:
        ones = (1,) * (len(shape) - a.ndim + 1)
        return np.broadcast_to(a.reshape(a.shape[0], *ones, *a.shape[1:]), (a.shape[0], *shape))

    return _each(ball, spread)


# Arithmetic ---------------------------------------------------------------------------------------


def _scale(equation: Equation, operands: list[Any]) -> Ball:
    a, b = operands
    ball, c = (a, b.float64) if isinstance(a, Ball) else (b, a.float64)
    ball = spread_ball(ball, equation.outputs[0].shape)
    divides = equation.primitive == "div"
    mid, error = (quotient if divides else product)(ball.mid, c)
    if ball.radius is not None:
        carried = ball.radius / np.abs(c) if divides else ball.radius * np.abs(c)
        error = inflate(error + carried + TINY * (carried > 0), 3)
    return _ball(mid, error)


def _negative(_: Equation, operands: list[Any]) -> Ball:
    (ball,) = operands
    return Ball(mid=-ball.mid, radius=ball.radius)


def _add(equation: Equation, operands: list[Any]) -> Ball:
    shape = equation.outputs[0].shape
    rows = next(o.mid.shape[0] for o in operands if isinstance(o, Ball))
    a, b = (spread_ball(o, shape) if isinstance(o, Ball) else _constant(o, rows, shape) for o in operands)
    mid, error = two_sum(a.mid, -b.mid if equation.primitive == "sub" else b.mid)
    for radius in (a.radius, b.radius):
        if radius is not None:
            error = inflate(error + radius, 1)
    return _ball(mid, error)


def _constant(c: Constant, rows: int, shape: tuple[int, ...]) -> Ball:
    """A value that does not depend on the input: only the last row holds it."""
    mid = np.zeros((rows, *shape))
    mid[-1] = c.float64
    return Ball(mid=mid, radius=None)


def _sum(equation: Equation, operands: list[Any]) -> Ball:
    (ball,) = operands
    axes = tuple(a + 1 for a in equation.params["axes"])
    shape = (ball.mid.shape[0], *equation.outputs[0].shape)
    mid = ball.mid.sum(axis=axes).reshape(shape)
    terms = np.count_nonzero(ball.mid, axis=axes).reshape(shape)
    m = int(terms.max(initial=0))
    error = np.where(terms > 1, gam(m), 0.0) * np.abs(ball.mid).sum(axis=axes).reshape(shape)
    if ball.radius is not None:
        error = error + ball.radius.sum(axis=axes).reshape(shape)
    return _ball(mid, inflate(error, math.prod(ball.mid.shape[1:]) + 2))


def _dot(equation: Equation, operands: list[Any]) -> Ball:
    live_first = isinstance(operands[0], Ball)
    ball, c = operands if live_first else operands[::-1]
    c = c.float64
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = equation.params["dimension_numbers"]
    contract, batch = (lhs_contract, lhs_batch) if live_first else (rhs_contract, rhs_batch)
    c_contract, c_batch = (rhs_contract, rhs_batch) if live_first else (lhs_contract, lhs_batch)
    rank = ball.mid.ndim - 1
    live_axes = [1 + i for i in range(rank)]
    c_axes = [1 + rank + i for i in range(c.ndim)]
    for i, j in zip((*contract, *batch), (*c_contract, *c_batch), strict=True):
        c_axes[j] = live_axes[i]
    free = [live_axes[i] for i in range(rank) if i not in (*contract, *batch)]
    c_free = [c_axes[j] for j in range(c.ndim) if j not in (*c_contract, *c_batch)]
    out = [0, *(live_axes[i] for i in batch), *(free + c_free if live_first else c_free + free)]

    def dot(a: np.ndarray, c: np.ndarray) -> np.ndarray:
        return np.einsum(a, [0, *live_axes], c, c_axes, out, optimize=True)

    axes = tuple(1 + i for i in contract)
    terms = np.count_nonzero(ball.mid, axis=axes)
    terms = terms.reshape(terms.shape[0], -1).max(axis=1, initial=0)
    flat = np.abs(ball.mid).reshape(ball.mid.shape[0], -1)
    # A row whose sums have at most one nonzero term, a weight times plus or minus one, is not rounded at all.
    exact = (terms <= 1) & ((flat == 0) | (flat == 1)).all(axis=1)
    factor = np.array([0.0 if e else gam(int(m)) for e, m in zip(exact, terms, strict=True)])
    factor = factor.reshape(-1, *(1,) * rank)
    if ball.radius is None and not factor.any():
        return Ball(mid=dot(ball.mid, c), radius=None)
    error = factor * np.abs(ball.mid) + (0.0 if ball.radius is None else ball.radius)
    length = math.prod(ball.mid.shape[a] for a in axes)
    rounded = error.reshape(error.shape[0], -1).any(axis=1)
    loss = np.where(rounded, length * TINY, 0.0).reshape(-1, *(1,) * (len(out) - 1))
    return _ball(dot(ball.mid, c), inflate(dot(error, np.abs(c)), length + 3) + loss)


# Rearrangements -----------------------------------------------------------------------------------


def _move(equation: Equation, operands: list[Any]) -> Ball:
    place = move(equation)
    assert place is not None
    return _each(operands[0], place)


def _pad(equation: Equation, operands: list[Any]) -> Ball:
    ball, value = operands
    config = padding(equation)
    mid = pad(ball.mid, config, 0.0)
    mid[-1] = pad(ball.mid[-1:], config, float(value.float64))[0]
    return Ball(mid=mid, radius=None if ball.radius is None else pad(ball.radius, config, 0.0))


def _concatenate(equation: Equation, operands: list[Any]) -> Ball:
    rows = next(o.mid.shape[0] for o in operands if isinstance(o, Ball))
    parts = [o if isinstance(o, Ball) else _constant(o, rows, o.shape) for o in operands]
    axis = equation.params["dimension"] + 1
    radii = [np.zeros_like(p.mid) if p.radius is None else p.radius for p in parts]
    return _ball(np.concatenate([p.mid for p in parts], axis), np.concatenate(radii, axis))


_MOVED: Final = LAYOUT | {"slice", "dynamic_slice", "tile"}
_SPECIAL: Final[dict[str, Callable[[Equation, list[Any]], Ball]]] = {
    "pad": _pad,
    "concatenate": _concatenate,
    "add": _add,
    "add_any": _add,
    "sub": _add,
    "neg": _negative,
    "mul": _scale,
    "div": _scale,
    "reduce_sum": _sum,
    "dot_general": _dot,
}
AFFINE: Final = dict.fromkeys(_MOVED, _move) | _SPECIAL
"""How an affine primitive acts on a ball."""
