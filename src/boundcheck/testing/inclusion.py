"""The interval evaluation of a statement is one: wider inputs, wider output, and every point inside."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

from ..bound import Bound
from ..interval import Interval
from .finding import PASSED, Finding, failed
from .points import RISKS, SIZES, counts_layers, generator, points

WIDTHS = (Fraction(0), Fraction(1, 10**9), Fraction(1, 10), Fraction(1))
"""Relative half widths, the last one down to 0 and up to twice the value."""

POINTS = 2
CORNERS = 4


def widening_never_narrows(bound: Bound) -> Finding:
    """Widening an input, by little or by much, never narrows the output, and no point of a box falls outside."""
    random = generator(bound)
    for point in points(bound, POINTS):
        for symbol in point:
            if _fixed(bound, symbol):
                continue
            wider = [
                bound.theorem.enclose(point | {symbol: _widened(bound, symbol, point[symbol], w)})
                for w in WIDTHS
            ]
            for narrow, wide in pairwise(wider):
                if not wide.contains(narrow):
                    return failed(
                        f"widening {symbol} moved the value from {narrow} to {wide}, which does not contain it."
                    )
        box = {s: v if _fixed(bound, s) else _widened(bound, s, v, WIDTHS[2]) for s, v in point.items()}
        around = bound.theorem.enclose(box)
        for _ in range(CORNERS):
            corner = {
                # A rate stays a count over its sample.
                s: v
                if _fixed(bound, s) or bound.symbols[s].name in RISKS
                else _moved(bound, s, v, Fraction(int(random.choice([-1, 1])), 10))
                for s, v in point.items()
            }
            inside = bound.theorem.enclose(corner)
            if not around.contains(inside):
                return failed(
                    f"with all inputs widened by a tenth the value is {around}, and at a corner of that box {inside}."
                )
    return PASSED


def _fixed(bound: Bound, symbol: Any) -> bool:
    """Whether the symbol counts layers or examples, which are known exactly; families of whole numbers hold flags."""
    measurement = bound.symbols[symbol]
    return symbol in counts_layers(bound) or measurement.name in SIZES or measurement.whole


def _moved(bound: Bound, symbol: Any, value: Any, by: Fraction) -> Any:
    if isinstance(value, tuple):
        return tuple(_moved(bound, symbol, v, by) for v in value)
    moved = value * (1 + by)
    at_most = bound.symbols[symbol].at_most
    return moved if at_most is None else moved.minimum(at_most)


def _widened(bound: Bound, symbol: Any, value: Any, width: Fraction) -> Any:
    if isinstance(value, tuple):
        return tuple(_widened(bound, symbol, v, width) for v in value)
    return Interval.hull(_moved(bound, symbol, value, -width), value, _moved(bound, symbol, value, width))
