"""Instances of a statement: its example, and seeded random numbers around it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from ..bound import Bound, exact_values
from ..interval import Interval

SIZE_OF = {
    "train-error": "sample-size",
    "paired-train-error": "paired-size",
    "test-error": "test-size",
    "progressive-error": "sample-size",
    "late-progressive-error": "late-size",
}
"""An error rate is a count over the size of its sample."""

SIZES = frozenset(SIZE_OF.values())
RISKS = frozenset({*SIZE_OF, "ramp-risk", "margin-error", "unit-ramp-risk", "leave-one-out-ramp"})

Point = dict[Any, Any]


def generator(bound: Bound) -> np.random.Generator:
    """Random numbers that depend on the bound's id alone."""
    return np.random.default_rng(zlib.crc32(bound.id.encode()))


def symbol_of(bound: Bound, *names: str) -> sympy.Basic | None:
    """The symbol that is filled by the first of these measurements that the bound uses."""
    for name in names:
        for symbol, measurement in bound.symbols.items():
            if measurement.name == name:
                return symbol
    return None


def counts_layers(bound: Bound) -> set[Any]:
    """The symbols in the limits of sums and products, which fix how long families are."""
    return {
        s
        for x in bound.theorem.closed_form.atoms(sympy.Sum, sympy.Product)
        for limit in x.limits
        for end in limit[1:]
        for s in end.free_symbols
    }


def points(bound: Bound, count: int) -> Iterator[Point]:
    """The example, and `count` random points at which the statement is defined (fewer where many are not)."""
    values = exact_values(bound.example.values)
    yield values
    random, fixed = generator(bound), counts_layers(bound)
    for _ in range(count):
        point = {
            symbol: value if symbol in fixed else _moved(bound, symbol, value, random)
            for symbol, value in values.items()
        }
        _set_rates(bound, point, random)
        try:
            bound.theorem.enclose(point)
        except (ArithmeticError, IndexError, ValueError):
            continue  # outside the domain of the statement, which the example is inside
        yield point


def _moved(bound: Bound, symbol: Any, value: Any, random: np.random.Generator) -> Any:
    measurement = bound.symbols[symbol]
    if measurement.role == "delta":
        return Interval(Fraction(int(random.integers(1, 500)), 1000))
    if isinstance(value, tuple):
        # A whole family holds flags or counts that belong together.
        return value if measurement.whole else tuple(v * _factor(random) for v in value)
    if measurement.name in SIZES:
        # Smaller samples only: tails of large ones take long, and say the same.
        return Interval(max(2, round(float(value.midpoint()) * 2 ** float(random.uniform(-6, -1)))))
    if measurement.whole:
        return value if value <= 1 else Interval(max(2, round(float(value.midpoint()) * _factor(random))))
    moved = value * _factor(random)
    return moved if measurement.at_most is None else moved.minimum(measurement.at_most)


def _factor(random: np.random.Generator) -> Fraction:
    """Between 1/4 and 4, on a grid of powers of two."""
    return Fraction(2.0 ** float(random.uniform(-2, 2)))


def _set_rates(bound: Bound, point: Point, random: np.random.Generator) -> None:
    """Error rates become counts over the size of the sample."""
    for name in RISKS:
        symbol = symbol_of(bound, name)
        if symbol is not None:
            point[symbol] = rate(bound, point, symbol, Fraction(int(random.integers(0, 501)), 1000))


def rate(bound: Bound, point: Point, symbol: Any, near: Fraction) -> Interval:
    """The number of the form count/n that is next below `near`, where the rate is of a sample whose size is known."""
    size = symbol_of(bound, SIZE_OF.get(bound.symbols[symbol].name, ""))
    if size is None:
        return Interval(near)
    n = int(point[size].integers()[0])
    return Interval(Fraction(int(n * near), n))
