"""`Squares`: a power of a weighted sum of squares, as the list of what it reads, and what equations make of it.

Layout moves the arrays; sums, windows and products with constants extend them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np

from .moves import pad, padding
from .program import Constant, Equation
from .rounding import U, product, quotient, two_sum

ENTRIES: Final = 2**24
"""The most entries of a list of reads: 128 MB."""
_ERROR: Final = 2.0**-20
"""The largest relative error of a weight that is carried on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Squares:
    """(offset + sum_t weights[t] root[reads[t]]^2)^exponent, entry by entry; reads are -1 where there is none.

    Of each entry the reads increase and differ, so that equal sums have equal arrays. `error` bounds the relative
    error of every weight and offset. `learned`: some of them depend on parameters.
    """

    root: int
    reads: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    exponent: Fraction = Fraction(1)
    error: float = 0.0
    learned: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value in the program."""
        return self.offset.shape

    def moved(self, place: Callable[[np.ndarray], np.ndarray]) -> Squares:
        """Rearranged by a map of arrays with a leading axis."""
        offset = np.asarray(place(self.offset[None])[0])
        return replace(self, reads=place(self.reads), weights=place(self.weights), offset=offset)

    def spread(self, shape: tuple[int, ...]) -> Squares:
        """Broadcast."""
        ones = (1,) * (len(shape) - len(self.shape))
        return self.moved(lambda a: np.broadcast_to(a.reshape(len(a), *ones, *a.shape[1:]), (len(a), *shape)))


def _merged(squares: Squares | None) -> Squares | None:
    """With the weights of one square added, and the reads of each entry in order, those of weight 0 left out."""
    if squares is None or squares.reads.size > ENTRIES:
        return None
    reads, weights, error = squares.reads, squares.weights, squares.error
    order = np.argsort(reads, axis=0, kind="stable")
    reads, weights = np.take_along_axis(reads, order, 0), np.take_along_axis(weights, order, 0)
    repeats = (reads[1:] == reads[:-1]) & (reads[1:] >= 0)
    unknown = error * np.abs(weights)
    for tap in np.flatnonzero(repeats.any(axis=tuple(range(1, repeats.ndim)))):
        again = repeats[tap]
        total, lost = two_sum(weights[tap], weights[tap + 1])
        unknown[tap + 1] = np.where(
            again, (unknown[tap] + unknown[tap + 1] + lost) * (1 + 4 * U), unknown[tap + 1]
        )
        weights[tap + 1] = np.where(again, total, weights[tap + 1])
        weights[tap] = np.where(again, 0.0, weights[tap])
        unknown[tap] = np.where(again, 0.0, unknown[tap])
    worst = _relative(unknown, weights)
    if worst is None:
        return None
    reads = np.where(weights == 0, np.iinfo(np.int64).max, reads)
    order = np.argsort(reads, axis=0, kind="stable")
    reads, weights = np.take_along_axis(reads, order, 0), np.take_along_axis(weights, order, 0)
    taps = max(1, int((weights != 0).sum(axis=0).max(initial=0)))
    reads, weights = np.where(weights == 0, -1, reads), np.where(weights == 0, 0.0, weights)
    return replace(squares, reads=reads[:taps], weights=weights[:taps], error=max(worst, error))


def _relative(unknown: np.ndarray, value: np.ndarray) -> float | None:
    """The largest relative error; `None` if it is large."""
    if (unknown[value == 0] > 0).any() or not np.isfinite(value).all():
        return None
    error = float(
        np.divide(unknown, np.abs(value), out=np.zeros(value.shape), where=value != 0).max(initial=0)
    )
    error *= 1 + 4 * U
    return error if error <= _ERROR else None


def _affine(rule: Callable[[Equation, list[Any]], Squares | None]) -> Callable[[Equation, list[Any]], Any]:
    """A rule for sums, not for their powers."""

    def apply(equation: Equation, operands: list[Any]) -> Squares | None:
        if any(isinstance(o, Squares) and o.exponent != 1 for o in operands):
            return None
        return _merged(rule(equation, operands))

    return apply


def _constant(constant: Constant, shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(constant.float64, shape)


@_affine
def _add(equation: Equation, operands: list[Any]) -> Squares | None:
    shape = equation.outputs[0].shape
    parts = []
    for place, operand in enumerate(operands):
        part = operand
        if isinstance(operand, Constant):
            none = np.full((1, *shape), -1)
            part = Squares(root=-1, reads=none, weights=0.0 * none, offset=_constant(operand, shape))
        part = part.spread(shape)
        if place and equation.primitive == "sub":
            part = _minus(part)
        parts.append(part)
    return _sum(parts)


def _sum(parts: list[Squares]) -> Squares | None:
    a, b = parts
    if len({p.root for p in parts} - {-1}) != 1:
        return None
    offset, unknown = two_sum(a.offset[None], b.offset[None])
    unknown = (unknown + a.error * np.abs(a.offset) + b.error * np.abs(b.offset)) * (1 + 4 * U)
    error = _relative(unknown, offset)
    if error is None:
        return None
    return Squares(
        root=max(a.root, b.root),
        reads=np.concatenate([a.reads, b.reads]),
        weights=np.concatenate([a.weights, b.weights]),
        offset=np.asarray(offset[0]),
        error=max(error, a.error, b.error),
        learned=a.learned or b.learned,
    )


@_affine
def _negated(equation: Equation, operands: list[Any]) -> Squares | None:
    return _minus(operands[0])


def _minus(a: Squares) -> Squares:
    return replace(a, weights=-a.weights, offset=np.asarray(-a.offset))


@_affine
def _scaled(equation: Equation, operands: list[Any]) -> Squares | None:
    """Times or by a constant."""
    shape = equation.outputs[0].shape
    (a,) = [o.spread(shape) for o in operands if isinstance(o, Squares)]
    (factor,) = [_constant(o, shape) for o in operands if isinstance(o, Constant)]
    return _times(a, factor, factor, quotient if equation.primitive == "div" else product)


def _times(a: Squares, weights: np.ndarray, offset: np.ndarray, by: Callable[..., Any]) -> Squares | None:
    """Weights and offset times or by constants of their own."""
    parts = []
    for value, factor in ((a.weights, weights), (a.offset, offset)):
        with np.errstate(all="ignore"):
            changed, lost = by(value, factor)
        worst = _relative(lost, changed)
        if worst is None:
            return None
        parts.append((changed, worst))
    error = (a.error + max(worst for _, worst in parts)) * (1 + 2 * _ERROR)
    return replace(a, weights=parts[0][0], offset=parts[1][0], error=error) if error <= _ERROR else None


def _multiplied(equation: Equation, operands: list[Any]) -> Squares | None:
    """Times a constant, or two powers of one sum."""
    if any(isinstance(o, Constant) for o in operands):
        return _scaled(equation, operands)
    a, b = operands
    same = a.root == b.root and a.error == b.error and a.shape == b.shape and a.learned == b.learned
    pairs = ((a.reads, b.reads), (a.weights, b.weights), (a.offset, b.offset))
    if not same or not all(np.array_equal(p, q) for p, q in pairs):
        return None
    return replace(a, exponent=a.exponent + b.exponent)


def _divided(equation: Equation, operands: list[Any]) -> Squares | None:
    """By a constant, or 1 by a power."""
    over, under = operands
    if isinstance(under, Constant):
        return _scaled(equation, operands) if under.value.all() else None
    if not isinstance(over, Constant) or over.leaves or not (over.value == 1).all():
        return None
    return replace(under, exponent=-under.exponent).spread(equation.outputs[0].shape)


def _raised(equation: Equation, operands: list[Any]) -> Squares | None:
    power = exponent_of(equation)
    if power is None or not isinstance(operands[0], Squares):
        return None
    return replace(operands[0], exponent=operands[0].exponent * power).spread(equation.outputs[0].shape)


def exponent_of(equation: Equation) -> Fraction | None:
    """The constant exponent of a power, exactly."""
    match equation.primitive:
        case "square":
            return Fraction(2)
        case "sqrt":
            return Fraction(1, 2)
        case "rsqrt":
            return Fraction(-1, 2)
        case "integer_pow":
            return Fraction(int(equation.params["y"]))
        case "pow" if isinstance(equation.operands[1], Constant):
            value = equation.operands[1].float64
            uniform = value.size > 0 and np.isfinite(value).all() and np.ptp(value) == 0
            return Fraction(float(value.flat[0])) if uniform else None
    return None


def _contracted(a: Squares, matrix: np.ndarray) -> Squares | None:
    """Values [*free, K] times a constant matrix [K, J]."""
    used = matrix != 0
    most = max(1, int(used.sum(axis=0).max(initial=0)))
    if (
        a.offset.any()
        or not np.isfinite(matrix).all()
        or most * a.reads[..., :1].size * matrix.shape[1] > ENTRIES
    ):
        return None
    rows = np.argsort(~used, axis=0, kind="stable")[:most]
    factors = np.take_along_axis(matrix, rows, 0)

    def chosen(values: np.ndarray) -> np.ndarray:
        part = np.moveaxis(values[..., rows], -2, 1)
        return part.reshape(-1, *part.shape[2:])

    weights = np.tile(
        factors.reshape(most, *(1,) * (a.offset.ndim - 1), -1), (len(a.reads), *(1,) * a.offset.ndim)
    )
    reads = chosen(a.reads)
    taken = replace(a, reads=reads, weights=chosen(a.weights), offset=np.zeros(reads.shape[1:]))
    return _times(taken, weights, taken.offset, product)


@_affine
def _dot(equation: Equation, operands: list[Any]) -> Squares | None:
    (contracted, batch) = equation.params["dimension_numbers"]
    left = isinstance(operands[0], Squares)
    if any(batch) or not any(isinstance(o, Constant) for o in operands):
        return None
    a, c = operands if left else operands[::-1]
    ours, theirs = contracted if left else contracted[::-1]
    free = [i for i in range(len(a.shape)) if i not in ours]
    size = math.prod(a.shape[i] for i in ours)
    order = [0, *(i + 1 for i in (*free, *ours))]
    a = a.moved(lambda v: v.transpose(order).reshape(len(v), *(a.shape[i] for i in free), size))
    matrix = np.moveaxis(c.float64, theirs, range(len(theirs)))
    rest = matrix.shape[len(theirs) :]
    result = _contracted(a, matrix.reshape(size, -1))
    if result is None:
        return None
    result = result.moved(lambda v: v.reshape(*v.shape[:-1], *rest))
    if not left:
        ends = range(1 + len(free), 1 + len(free) + len(rest))
        result = result.moved(lambda v: np.moveaxis(v, list(ends), range(1, 1 + len(rest))))
    return result


@_affine
def _reduced(equation: Equation, operands: list[Any]) -> Squares | None:
    (a,) = operands
    axes = [int(i) for i in equation.params["axes"]]
    kept = [i for i in range(len(a.shape)) if i not in axes]
    order = [0, *(i + 1 for i in (*kept, *axes))]
    size = math.prod(a.shape[i] for i in axes)
    a = a.moved(lambda v: v.transpose(order).reshape(len(v), *(a.shape[i] for i in kept), size))
    result = _contracted(a, np.ones((size, 1)))
    return result and result.moved(lambda v: v[..., 0])


@_affine
def _accumulated(equation: Equation, operands: list[Any]) -> Squares | None:
    (a,) = operands
    axis = equation.params["axis"] + 1
    before = np.tri(a.shape[axis - 1]).T
    last = a.moved(lambda v: np.moveaxis(v, axis, -1))
    result = _contracted(last, before.T if equation.params["reverse"] else before)
    return result and result.moved(lambda v: np.moveaxis(v, -1, axis))


@_affine
def _window_sum(equation: Equation, operands: list[Any]) -> Squares | None:
    p, (a,) = equation.params, operands
    parts = _windows(
        a,
        p["window_dimensions"],
        [
            (int(low), int(high), int(gap) - 1)
            for (low, high), gap in zip(p["padding"], p["base_dilation"], strict=True)
        ],
        p["window_dilation"],
        p["window_strides"],
        equation.outputs[0].shape,
    )
    return _stacked(parts) if parts else None


@_affine
def _convolved(equation: Equation, operands: list[Any]) -> Squares | None:
    """A convolution with a constant kernel, one offset of the kernel after the other."""
    p, (a, kernel) = equation.params, operands
    if not isinstance(a, Squares) or not isinstance(kernel, Constant) or p["batch_group_count"] != 1:
        return None
    lhs, rhs, out = p["dimension_numbers"]
    groups = p["feature_group_count"]
    a = a.moved(lambda v: v.transpose(0, *(i + 1 for i in lhs)))
    weights = kernel.float64.transpose(rhs)
    shape = tuple(equation.outputs[0].shape[i] for i in out)
    gaps = [
        (int(low), int(high), int(gap) - 1)
        for (low, high), gap in zip(p["padding"], p["lhs_dilation"], strict=True)
    ]
    parts = _windows(
        a,
        (1, 1, *weights.shape[2:]),
        [(0, 0, 0), (0, 0, 0), *gaps],
        (1, 1, *p["rhs_dilation"]),
        (1, 1, *p["window_strides"]),
        (shape[0], a.shape[1], *shape[2:]),
    )
    results = []
    for part, offsets in zip(parts or (), np.ndindex(*weights.shape[2:]), strict=False):
        full = np.zeros((a.shape[1], shape[1]))
        rows, columns = (np.split(np.arange(n), groups) for n in full.shape)
        for inputs, outputs in zip(rows, columns, strict=True):
            full[np.ix_(inputs, outputs)] = weights[(outputs, slice(None), *offsets)].T
        result = _contracted(part.moved(lambda v: np.moveaxis(v, 2, -1)), full)
        if result is None:
            return None
        results.append(result.moved(lambda v: np.moveaxis(v, -1, 2)))
    back = [0, *(1 + int(i) for i in np.argsort(out))]
    stacked = _stacked(results) if results else None
    return stacked and stacked.moved(lambda v: v.transpose(back))


def _windows(
    a: Squares,
    sizes: Sequence[int],
    config: list[tuple[int, int, int]],
    dilation: Sequence[int],
    strides: Sequence[int],
    shape: tuple[int, ...],
) -> list[Squares] | None:
    """What each place of a window reads, for all windows."""
    if a.offset.any() or len(a.reads) * math.prod(sizes) * math.prod(shape) > ENTRIES:
        return None
    wide = replace(
        a,
        reads=pad(a.reads, config, -1.0),
        weights=pad(a.weights, config, 0.0),
        offset=pad(a.offset[None], config, 0.0)[0],
    )
    parts = []
    for offsets in np.ndindex(*sizes):
        cut = tuple(
            slice(o * d, o * d + (n - 1) * s + 1, s)
            for o, d, s, n in zip(offsets, dilation, strides, shape, strict=True)
        )
        parts.append(wide.moved(lambda v, cut=cut: v[(slice(None), *cut)]))
    return parts


def _stacked(parts: list[Squares]) -> Squares:
    """The sum of values without offsets."""
    return replace(
        parts[0],
        reads=np.concatenate([p.reads for p in parts]),
        weights=np.concatenate([p.weights for p in parts]),
        error=max(p.error for p in parts),
    )


@_affine
def _padded(equation: Equation, operands: list[Any]) -> Squares | None:
    a, fill = operands
    if not isinstance(a, Squares) or not isinstance(fill, Constant):
        return None
    config = padding(equation)
    return replace(
        a,
        reads=pad(a.reads, config, -1.0),
        weights=pad(a.weights, config, 0.0),
        offset=pad(a.offset[None], config, float(fill.value))[0],
    )


@_affine
def _joined(equation: Equation, operands: list[Any]) -> Squares | None:
    axis = equation.params["dimension"]
    live = [o for o in operands if isinstance(o, Squares)]
    if len({o.root for o in live}) != 1:
        return None
    taps = max(len(o.reads) for o in live)
    reads, weights, offsets = [], [], []
    for o in operands:
        shape = o.shape
        missing = taps - (len(o.reads) if isinstance(o, Squares) else 0)
        none = np.full((missing, *shape), -1)
        reads.append(np.concatenate([o.reads, none]) if isinstance(o, Squares) else none)
        weights.append(np.concatenate([o.weights, 0.0 * none]) if isinstance(o, Squares) else 0.0 * none)
        offsets.append(o.offset if isinstance(o, Squares) else o.float64)
    return replace(
        live[0],
        reads=np.concatenate(reads, axis=axis + 1),
        weights=np.concatenate(weights, axis=axis + 1),
        offset=np.concatenate(offsets, axis=axis),
        error=max(o.error for o in live),
        learned=any(o.learned for o in live),
    )


@_affine
def _gathered(equation: Equation, operands: list[Any]) -> Squares | None:
    """Entries at constant places, found by gathering their numbers."""
    a, *constants = operands
    if not isinstance(a, Squares) or not all(isinstance(c, Constant) for c in constants):
        return None
    numbers = np.arange(math.prod(a.shape), dtype=np.int32).reshape(a.shape)
    with np.errstate(invalid="ignore"):
        chosen, after = (
            np.asarray(equation.bind(n, *(c.value for c in constants))) for n in (numbers, numbers + 1)
        )
    if (after - chosen != 1).any():
        return None
    return a.moved(lambda v: v.reshape(len(v), -1)[:, chosen])


RULES: Final[dict[str, Callable[[Equation, list[Any]], Squares | None]]] = {
    "add": _add,
    "add_any": _add,
    "sub": _add,
    "neg": _negated,
    "mul": _multiplied,
    "div": _divided,
    "dot_general": _dot,
    "reduce_sum": _reduced,
    "cumsum": _accumulated,
    "reduce_window_sum": _window_sum,
    "conv_general_dilated": _convolved,
    "pad": _padded,
    "concatenate": _joined,
    "gather": _gathered,
} | dict.fromkeys(("pow", "integer_pow", "square", "sqrt", "rsqrt"), _raised)
