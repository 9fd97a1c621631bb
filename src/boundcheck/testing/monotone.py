"""Which way a bound moves: down with delta, with the sample and with the margin, up with the empirical error."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import sympy

from ..bound import Bound
from ..functions import IntervalFunction
from ..interval import Interval
from .finding import PASSED, Finding, failed, skipped
from .points import RISKS, SIZES, points, rate, symbol_of

POINTS = 3

TOLERANCE = Fraction(1, 10**9)
"""Relative; ends computed at two points may differ by their rounding."""

DELTAS = tuple(Fraction(x, 1000) for x in (1, 50, 250, 500, 900))
FACTORS = (1, 2, 8)
RATES = tuple(Fraction(x, 100) for x in (0, 5, 20, 50, 90, 100))


def falls_with_delta(bound: Bound) -> Finding:
    """Less confidence never raises the bound."""
    symbol = next((s for s, m in bound.symbols.items() if m.role == "delta"), None)
    if symbol is None:
        if bound.guarantee == "HP":
            return failed(
                "no symbol is filled by delta; a theorem that holds with probability 1 - delta mentions it."
            )
        return skipped(f"a guarantee of kind {bound.guarantee} has no delta.")
    return _falls(bound, symbol, lambda point: [Interval(d) for d in DELTAS], "delta grows")


def falls_with_examples(bound: Bound) -> Finding:
    """More examples at the same error rate never raise the bound."""
    symbol = symbol_of(bound, *sorted(SIZES))
    if symbol is None:
        return skipped("no symbol is filled by a number of examples.")
    return _falls(bound, symbol, lambda point: [point[symbol] * f for f in FACTORS], "the sample grows")


def falls_with_margin(bound: Bound) -> Finding:
    """A larger margin at the same ramp risk never raises the bound."""
    if bound.best_over is None:
        return skipped("it has no margin.")
    symbol = bound.best_over
    return _falls(bound, symbol, lambda point: [point[symbol] * f for f in FACTORS], "the margin grows")


def rises_with_the_empirical_error(bound: Bound) -> Finding:
    """More errors on the sample never lower the bound, where it lies below 1, and it never lies below them."""
    symbol = symbol_of(bound, *sorted(RISKS))
    if symbol is None:
        return skipped("no symbol is filled by an empirical error.")
    for point in points(bound, POINTS):
        rates = sorted({rate(bound, point, symbol, r).lo for r in RATES})
        values = [
            (Interval(r), bound.theorem.enclose(point | {symbol: Interval(r)}).minimum(1)) for r in rates
        ]
        for r, value in values:
            if value < r:
                return failed(f"at {symbol} = {r} the bound {value} lies below the empirical error.")
        for (_, before), (r, after) in pairwise(values):
            if _certainly_above(before, after):
                return failed(f"the bound falls from {before} to {after} when {symbol} rises to {r}.")
    return PASSED


def _falls(bound: Bound, symbol: Any, values: Any, when: str) -> Finding:
    if _proved(bound, symbol):
        return Finding("passed", "the sign of the derivative, by SymPy")
    for point in points(bound, POINTS):
        before: Interval | None = None
        for value in _defined(bound, point, symbol, values(point)):
            if before is not None and _certainly_above(value, before):
                return failed(f"the bound rises from {before} to {value} when {when}.")
            before = value
    return PASSED


def _defined(bound: Bound, point: dict[Any, Any], symbol: Any, values: Sequence[Interval]) -> list[Interval]:
    """The bound at those values of a symbol where it is defined."""
    found = []
    for value in values:
        try:
            found.append(bound.theorem.enclose(point | {symbol: value}))
        except ArithmeticError:
            continue
    return found


def _certainly_above(a: Interval, b: Interval) -> bool:
    """Whether an end of `a` lies above the same end of `b` by more than rounding."""
    return any(
        Interval(x) > Interval(y) + abs(Interval(y)) * TOLERANCE
        for x, y in ((a.lo, b.lo), (a.hi, b.hi))
        if Interval(x).is_finite and Interval(y).is_finite
    )


def _proved(bound: Bound, symbol: Any) -> bool:
    """Whether SymPy sees from the domains of the symbols that the derivative is nowhere positive."""
    value: Any = bound.theorem.closed_form
    if value.has(IntervalFunction, sympy.Sum, sympy.Product, sympy.Piecewise, sympy.Min, sympy.Max):
        return False
    # delta in (0, 1) as 1/(1 + t), so that SymPy knows the sign of its logarithm.
    for delta in (s for s, m in bound.symbols.items() if m.role == "delta"):
        t = sympy.Dummy("t", positive=True)
        value = value.subs(delta, 1 / (1 + t))
        if symbol == delta:
            return bool(sympy.diff(value, t).simplify().is_nonnegative)
    return bool(sympy.diff(value, symbol).simplify().is_nonpositive)
