"""The natural interval extension: a SymPy expression evaluated on intervals instead of numbers.

Every operation of the expression is replaced by its interval extension, so the result contains every value that the
expression takes while its symbols range over their intervals (Moore 1966). Families such as the norms of the layers
are `IndexedBase` symbols filled by a tuple and counted from 1; sums and products over them are evaluated term by
term.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any

import sympy

from .functions import IntervalFunction
from .interval import Interval

Assignment = Mapping[Any, "Interval | tuple[Interval, ...]"]
"""What fills each `Symbol` (an interval) and each `IndexedBase` (a tuple of intervals, one a layer)."""


def enclose(expression: sympy.Basic, values: Assignment) -> Interval:
    """An interval that contains the expression for all values of its symbols.

    Raises `KeyError` for a symbol without a value, `TypeError` for an operation that has no interval extension
    here, `ArithmeticError` when the expression is undefined everywhere on the intervals.
    """
    return Extension(expression, values)()


def enclose_slack(expression: sympy.Basic, values: Assignment) -> Interval:
    """One minus the expression, with relative accuracy where the expression allows it.

    A bound of the form 1 - x is turned into x before anything is rounded.
    """
    if isinstance(expression, IntervalFunction):
        return type(expression).enclose_slack(*(enclose(a, values) for a in expression.args))
    return enclose(1 - expression, values)


class Extension:
    """An expression to be enclosed many times while a few of its symbols move.

    **Arguments.** `values`: what fills the symbols; those in `moving` may be missing and are given at each call. Parts of
    the expression that contain no moving symbol are enclosed once, others once a call.
    """

    def __init__(
        self, expression: sympy.Basic, values: Assignment, moving: Collection[sympy.Basic] = ()
    ) -> None:
        self.expression = expression
        self.values: dict[Any, Any] = dict(values)
        self.index: dict[Any, int] = {}
        self._moving = {s.label if isinstance(s, sympy.IndexedBase) else s for s in moving}
        self._kept: dict[Any, Interval] = {}
        self._moved: dict[Any, Interval] = {}

    def __call__(self, moved: Assignment | None = None) -> Interval:
        """The enclosure with the moving symbols at these values."""
        self.values.update(moved or {})
        self._moved.clear()
        return self.visit(self.expression)

    def visit(self, x: Any) -> Interval:
        """The enclosure of a part."""
        if isinstance(x, sympy.Rational):
            return _number(x)
        if isinstance(x, sympy.Symbol):
            return _symbol(x, self)
        names = _names(x)
        kept = self._kept if self._moving.isdisjoint(names) else self._moved
        key = (x, *((i, value) for i, value in self.index.items() if i in names))
        if key not in kept:
            kept[key] = self._enclose(x)
        return kept[key]

    def _enclose(self, x: Any) -> Interval:
        for kind, rule in _RULES:
            if isinstance(x, kind):
                return rule(x, self)
        raise TypeError(f"{type(x).__name__} has no interval extension, in {x}")


@lru_cache(maxsize=4096)
def _names(x: Any) -> frozenset[Any]:
    """Every symbol that occurs in a part, those of sums included."""
    return frozenset(x.atoms(sympy.Symbol))


@lru_cache(maxsize=4096)
def _number(x: Any) -> Interval:
    return Interval(Fraction(int(x.p), int(x.q)))


def _symbol(x: Any, e: Extension) -> Interval:
    if x in e.index:
        return Interval(e.index[x])
    value = e.values[x]
    if not isinstance(value, Interval):
        raise TypeError(f"{x} is filled by a family; index it")
    return value


def _whole(x: Any, e: Extension) -> int:
    """An index or a limit as the whole number that it is."""
    i, same = e.visit(x).integers()
    if i != same:
        raise IndexError(f"{x} must be one whole number to count layers; it lies between {i} and {same}")
    return i


def _indexed(x: Any, e: Extension) -> Interval:
    family, i = e.values[x.base], _whole(x.indices[0], e)
    if not 1 <= i <= len(family):
        raise IndexError(f"{x.base} has entries 1 to {len(family)}; index {x.indices[0]} is {i}")
    return family[i - 1]


def _terms(x: Any, e: Extension) -> list[Interval]:
    ((index, first, last),) = x.limits
    outer = e.index.get(index)
    terms = []
    for i in range(_whole(first, e), _whole(last, e) + 1):
        e.index[index] = i
        terms.append(e.visit(x.function))
    if outer is None:
        e.index.pop(index, None)
    else:
        e.index[index] = outer
    return terms


def _pow(x: Any, e: Extension) -> Interval:
    base, exponent = x.args
    if base == sympy.E:
        return e.visit(exponent).exp()
    if exponent == sympy.Rational(1, 2):
        return e.visit(base).sqrt()
    if isinstance(exponent, sympy.Rational):
        return e.visit(base) ** Fraction(int(exponent.p), int(exponent.q))
    return e.visit(base) ** e.visit(exponent)


def _piecewise(x: Any, e: Extension) -> Interval:
    """The hull of every branch that some point of the intervals can reach."""
    reachable = []
    for branch, condition in x.args:
        truth = _truth(condition, e)
        if truth is not False:
            reachable.append(e.visit(branch))
        if truth is True:
            break
    return Interval.hull(*reachable)


def _truth(condition: Any, e: Extension) -> bool | None:
    """Whether the condition holds everywhere (True), nowhere (False) or is undecided (None)."""
    if condition in (sympy.true, sympy.false):
        return bool(condition)
    left, right = (e.visit(side) for side in condition.args)
    if isinstance(condition, sympy.StrictLessThan):
        return True if left < right else False if left >= right else None
    if isinstance(condition, sympy.LessThan):
        return True if left <= right else False if left > right else None
    if isinstance(condition, sympy.StrictGreaterThan):
        return True if left > right else False if left <= right else None
    if isinstance(condition, sympy.GreaterThan):
        return True if left >= right else False if left < right else None
    raise TypeError(f"a condition must be an inequality; received {condition}")


def _fold(operation: Callable[[Interval, Interval], Interval]) -> Callable[[Any, Extension], Interval]:
    return lambda x, e: reduce(operation, (e.visit(a) for a in x.args))


_RULES: tuple[tuple[Any, Callable[[Any, Extension], Interval]], ...] = (
    (sympy.Indexed, _indexed),
    (sympy.Add, _fold(Interval.__add__)),
    (sympy.Mul, _fold(Interval.__mul__)),
    (sympy.Pow, _pow),
    (sympy.exp, lambda x, e: e.visit(x.args[0]).exp()),
    (sympy.log, lambda x, e: e.visit(x.args[0]).log()),
    (sympy.Abs, lambda x, e: abs(e.visit(x.args[0]))),
    (sympy.Min, _fold(Interval.minimum)),
    (sympy.Max, _fold(Interval.maximum)),
    (sympy.Sum, lambda x, e: sum(_terms(x, e), Interval(0))),
    (sympy.Product, lambda x, e: reduce(Interval.__mul__, _terms(x, e), Interval(1))),
    (sympy.Piecewise, _piecewise),
    (IntervalFunction, lambda x, e: type(x).enclose(*(e.visit(a) for a in x.args))),
    (type(sympy.E), lambda x, e: Interval(1).exp()),
)
