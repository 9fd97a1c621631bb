"""The grids of stratification: Lemma S of docs/theory/stratification.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy
from flint import arb, ctx

from ..interval import Interval
from .function import IntervalFunction


def _steps(x: arb, per_octave: int, rounding: Callable[[arb], arb]) -> int:
    """`rounding(per_octave * log2 x)` for an exact x > 0, exactly: more bits until the integer is settled.

    Only a power of two has a logarithm that can be an integer here, and it is treated apart, so this ends.
    """
    mantissa, exponent = (int(part) for part in x.man_exp())
    if mantissa == 1:
        return per_octave * exponent
    bits = 64
    while True:
        with ctx.workprec(bits):
            step = rounding(per_octave * (x.log() / arb(2).log())).unique_fmpz()
        if step is not None:
            return int(step)
        bits *= 2


def _index(t: Interval, step: Callable[[arb], int], at_zero: arb) -> Interval:
    def end(x: arb) -> arb:
        return x if not x.is_finite() else at_zero if x <= 0 else arb(step(x))

    return Interval._outward(end(t.lo.mid()), end(t.hi.mid()))


class OneSidedIndex(IntervalFunction):
    """j(t) = max(0, ceil(8 (log2 t + 10))): the least j with t <= 2^(j/8 - 10)."""

    nargs = (1,)
    tex = r"j\!\left({}\right)"

    @classmethod
    def enclose(cls, t: Interval) -> Interval:
        return _index(t, lambda x: max(0, _steps(x, 8, arb.ceil) + 80), arb(0))


class TwoSidedIndex(IntervalFunction):
    """j(t, m) = max(-80 m, ceil(8 m log2 t)): the least j of the grid with t <= 2^(j/(8m)); it starts at 2^-10."""

    nargs = (2,)
    tex = r"j_{{\pm}}\!\left({0};\, {1}\right)"

    @classmethod
    def enclose(cls, t: Interval, m: Interval) -> Interval:
        layers, same = m.integers()
        if layers != same:
            raise ArithmeticError(f"the grid needs one whole number of layers; received {m}")
        first = -80 * layers
        return _index(t, lambda x: max(first, _steps(x, 8 * layers, arb.ceil)), arb(first))


class Octave(IntervalFunction):
    """j(t) = max(0, ceil(log2 t)): the least j >= 0 with t <= 2^j."""

    nargs = (1,)
    tex = r"j_2\!\left({}\right)"

    @classmethod
    def enclose(cls, t: Interval) -> Interval:
        return _index(t, lambda x: max(0, _steps(x, 1, arb.ceil)), arb(0))


class FloorIndex(IntervalFunction):
    """floor(8 log2 t): the greatest j with 2^(j/8) <= t."""

    nargs = (1,)
    tex = r"\left\lfloor 8 \log_2 {}\right\rfloor"

    @classmethod
    def enclose(cls, t: Interval) -> Interval:
        return _index(t, lambda x: _steps(x, 8, arb.floor), arb.neg_inf())


class CeilIndex(IntervalFunction):
    """ceil(8 log2 t): the least j with t <= 2^(j/8); -inf for 0."""

    nargs = (1,)
    tex = r"\left\lceil 8 \log_2 {}\right\rceil"

    @classmethod
    def enclose(cls, t: Interval) -> Interval:
        return _index(t, lambda x: _steps(x, 8, arb.ceil), arb.neg_inf())


def grid_up(t: Any) -> Any:
    """`t` rounded up to the one-sided grid 2^(j/8 - 10), j >= 0."""
    return 2 ** (OneSidedIndex(t) / 8 - 10)


def grid_price(t: Any) -> Any:
    """ln((j+1)(j+2)): what a union over the one-sided grid adds to ln(1/delta)."""
    j = OneSidedIndex(t)
    return sympy.log((j + 1) * (j + 2))


def two_sided_price(j: Any) -> Any:
    """ln(3 (|j|+1)(|j|+2) / 2): the price of an index in Z."""
    return sympy.log(sympy.Rational(3, 2) * (sympy.Abs(j) + 1) * (sympy.Abs(j) + 2))
