"""Primitives that only place entries, on arrays with one leading axis that stays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from .program import LAYOUT, Constant, Equation, Program, Variable

Move = Callable[[np.ndarray], np.ndarray]

PADDED: Final = frozenset({"pad", "concatenate"})
"""Primitives that place entries next to others, which may be constants."""


def move(equation: Equation, output: int = 0) -> Move | None:
    """How the equation rearranges its one live operand, for one of its outputs; `None` if it does not.

    Entries are kept, dropped or repeated, never computed with.
    """
    return _MOVES[equation.primitive](equation, output) if equation.primitive in _MOVES else None


def pad(a: np.ndarray, config: Sequence[tuple[int, int, int]], fill: float) -> np.ndarray:
    """`jax.lax.pad` on all axes but the first: low and high, which may be negative, and between entries."""
    for axis, (low, high, gap) in enumerate(config, 1):
        if gap and a.shape[axis] > 1:
            spread = list(a.shape)
            spread[axis] += gap * (a.shape[axis] - 1)
            wide = np.full(spread, fill, a.dtype)
            wide[(slice(None),) * axis + (slice(None, None, gap + 1),)] = a
            a = wide
        widths = [(0, 0)] * a.ndim
        widths[axis] = (max(low, 0), max(high, 0))
        a = np.pad(a, widths, constant_values=fill)
        stop = a.shape[axis] + min(high, 0)
        a = a[(slice(None),) * axis + (slice(max(-low, 0), max(stop, 0)),)]
    return a


def padding(equation: Equation) -> list[tuple[int, int, int]]:
    """Low, high and interior padding of each axis."""
    return [(int(low), int(high), int(gap)) for low, high, gap in equation.params["padding_config"]]


def without_stacks(program: Program) -> Program:
    """The program with each `stack` as a concatenation of values that have the new axis, and nothing empty in any."""
    equations = []
    fresh = itertools.count(1 + max((v.index for e in program.equations for v in e.outputs), default=0))
    for equation in program.equations:
        if equation.primitive == "concatenate":
            full = tuple(o for o in equation.operands if math.prod(o.shape))
            equations.append(replace(equation, operands=full) if full else equation)
            continue
        if equation.primitive != "stack":
            equations.append(equation)
            continue
        axis = equation.params["axis"]
        parts: list[Variable | Constant] = []
        for operand in equation.operands:
            shape = (*operand.shape[:axis], 1, *operand.shape[axis:])
            if isinstance(operand, Constant):
                varies = (*operand.varies[:axis], False, *operand.varies[axis:])
                parts.append(replace(operand, value=operand.value.reshape(shape), varies=varies))
                continue
            wide = Variable(index=next(fresh), shape=shape, dtype=operand.dtype)
            before = replace(
                equation, primitive="expand_dims", params={}, operands=(operand,), outputs=(wide,)
            )
            equations.append(replace(before, leaves=frozenset()))
            parts.append(wide)
        params = {"dimension": axis}
        equations.append(replace(equation, primitive="concatenate", params=params, operands=tuple(parts)))
    return replace(program, equations=tuple(equations))


def _reshape(equation: Equation, _: int) -> Move:
    shape = equation.outputs[0].shape
    return lambda a: a.reshape(a.shape[0], *shape)


def _transpose(equation: Equation, _: int) -> Move:
    order = (0, *(p + 1 for p in equation.params["permutation"]))
    return lambda a: a.transpose(order)


def _reverse(equation: Equation, _: int) -> Move:
    axes = tuple(d + 1 for d in equation.params["dimensions"])
    return lambda a: np.flip(a, axes)


def _broadcast(equation: Equation, _: int) -> Move:
    shape = equation.outputs[0].shape
    places = equation.params["broadcast_dimensions"]

    def apply(a: np.ndarray) -> np.ndarray:
        ones = [1] * len(shape)
        for size, place in zip(a.shape[1:], places, strict=True):
            ones[place] = size
        return np.broadcast_to(a.reshape(a.shape[0], *ones), (a.shape[0], *shape))

    return apply


def _slice(equation: Equation, _: int) -> Move:
    starts, limits = equation.params["start_indices"], equation.params["limit_indices"]
    strides = equation.params["strides"] or (1,) * len(starts)
    return lambda a: a[(slice(None), *map(slice, starts, limits, strides))]


def _dynamic_slice(equation: Equation, _: int) -> Move | None:
    """A slice whose start is a constant; JAX moves a start that is out of range into it."""
    starts = [int(s.value) for s in equation.operands[1:] if isinstance(s, Constant)]
    if len(starts) < len(equation.operands) - 1:
        return None
    sizes = equation.params["slice_sizes"]

    def apply(a: np.ndarray) -> np.ndarray:
        inside = [min(max(s, 0), n - size) for s, size, n in zip(starts, sizes, a.shape[1:], strict=True)]
        return a[(slice(None), *(slice(s, s + size) for s, size in zip(inside, sizes, strict=True)))]

    return apply


def _tile(equation: Equation, _: int) -> Move:
    times = tuple(equation.params["reps"])
    return lambda a: np.tile(a, (1, *times))


def _unstack(equation: Equation, output: int) -> Move:
    axis = equation.params["axis"] + 1
    return lambda a: np.take(a, output, axis=axis)


def _split(equation: Equation, output: int) -> Move:
    axis, sizes = equation.params["axis"], equation.params["sizes"]
    start = sum(sizes[:output])
    return lambda a: a[(slice(None),) * (axis + 1) + (slice(start, start + sizes[output]),)]


_MOVES: Final[Mapping[str, Callable[[Equation, int], Move | None]]] = {
    **dict.fromkeys(LAYOUT, _reshape),
    "transpose": _transpose,
    "rev": _reverse,
    "broadcast_in_dim": _broadcast,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "split": _split,
    "tile": _tile,
    "unstack": _unstack,
}


def permutes(equation: Equation) -> bool:
    """Whether the equation only rearranges the entries of the one value it takes."""
    (before, *others), (after, *more) = equation.operands, equation.outputs
    return not others and not more and equation.primitive in LAYOUT and math.prod(before.shape) == after.size
