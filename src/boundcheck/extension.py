"""The natural interval extension: a SymPy expression evaluated on intervals instead of numbers.

Every operation of the expression is replaced by its interval extension, so the result contains every value that the
expression takes while its symbols range over their intervals (Moore 1966). Families such as the norms of the layers
are `IndexedBase` symbols filled by a tuple and counted from 1; sums and products over them are evaluated term by
term.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import reduce
from typing import Any

import sympy

from .functions import IntervalFunction
from .interval import Interval

Assignment = Mapping[sympy.Expr, "Interval | tuple[Interval, ...]"]
"""What fills each `Symbol` (an interval) and each `IndexedBase` (a tuple of intervals, one a layer)."""


def enclose(expression: sympy.Basic, values: Assignment) -> Interval:
    """An interval that contains the expression for all values of its symbols.

    Raises `KeyError` for a symbol without a value, `TypeError` for an operation that has no interval extension
    here, `ArithmeticError` when the expression is undefined everywhere on the intervals.
    """
    return _visit(expression, dict(values))


def enclose_slack(expression: sympy.Basic, values: Assignment) -> Interval:
    """One minus the expression, with relative accuracy where the expression allows it.

    A bound of the form 1 - x is turned into x before anything is rounded.
    """
    if isinstance(expression, IntervalFunction):
        return type(expression).enclose_slack(*(enclose(a, values) for a in expression.args))
    return enclose(1 - expression, values)


def _visit(x: Any, values: dict[Any, Any]) -> Interval:
    for kind, rule in _RULES:
        if isinstance(x, kind):
            return rule(x, values)
    raise TypeError(f"{type(x).__name__} has no interval extension, in {x}")


def _number(x: Any, values: dict[Any, Any]) -> Interval:
    return Interval(int(x.p)) / int(x.q)


def _symbol(x: Any, values: dict[Any, Any]) -> Interval:
    value = values[x]
    if not isinstance(value, Interval):
        raise TypeError(f"{x} is filled by a family; index it")
    return value


def _indexed(x: Any, values: dict[Any, Any]) -> Interval:
    family = values[x.base]
    i, same = _visit(x.indices[0], values).integers()
    if i != same or not 1 <= i <= len(family):
        raise IndexError(f"{x.base} has entries 1 to {len(family)}; index {x.indices[0]} is {i}")
    return family[i - 1]


def _terms(x: Any, values: dict[Any, Any]) -> list[Interval]:
    ((index, first, last),) = x.limits
    start, stop = (_visit(end, values).integers()[0] for end in (first, last))
    return [_visit(x.function, values | {index: Interval(i)}) for i in range(start, stop + 1)]


def _pow(x: Any, values: dict[Any, Any]) -> Interval:
    base, exponent = x.args
    if base == sympy.E:
        return _visit(exponent, values).exp()
    if exponent == sympy.Rational(1, 2):
        return _visit(base, values).sqrt()
    if isinstance(exponent, sympy.Rational):
        return _visit(base, values) ** Fraction(int(exponent.p), int(exponent.q))
    return _visit(base, values) ** _visit(exponent, values)


def _piecewise(x: Any, values: dict[Any, Any]) -> Interval:
    """The hull of every branch that some point of the intervals can reach."""
    reachable = []
    for branch, condition in x.args:
        truth = _truth(condition, values)
        if truth is not False:
            reachable.append(_visit(branch, values))
        if truth is True:
            break
    return Interval.hull(*reachable)


def _truth(condition: Any, values: dict[Any, Any]) -> bool | None:
    """Whether the condition holds everywhere (True), nowhere (False) or is undecided (None)."""
    if condition in (sympy.true, sympy.false):
        return bool(condition)
    left, right = (_visit(side, values) for side in condition.args)
    if isinstance(condition, sympy.StrictLessThan):
        return True if left < right else False if left >= right else None
    if isinstance(condition, sympy.LessThan):
        return True if left <= right else False if left > right else None
    if isinstance(condition, sympy.StrictGreaterThan):
        return True if left > right else False if left <= right else None
    if isinstance(condition, sympy.GreaterThan):
        return True if left >= right else False if left < right else None
    raise TypeError(f"a condition must be an inequality; received {condition}")


def _fold(
    operation: Callable[[Interval, Interval], Interval],
) -> Callable[[Any, dict[Any, Any]], Interval]:
    return lambda x, values: reduce(operation, (_visit(a, values) for a in x.args))


_RULES: tuple[tuple[Any, Callable[[Any, dict[Any, Any]], Interval]], ...] = (
    (sympy.Rational, _number),
    (sympy.Symbol, _symbol),
    (sympy.Indexed, _indexed),
    (sympy.Add, _fold(Interval.__add__)),
    (sympy.Mul, _fold(Interval.__mul__)),
    (sympy.Pow, _pow),
    (sympy.exp, lambda x, values: _visit(x.args[0], values).exp()),
    (sympy.log, lambda x, values: _visit(x.args[0], values).log()),
    (sympy.Abs, lambda x, values: abs(_visit(x.args[0], values))),
    (sympy.Min, _fold(Interval.minimum)),
    (sympy.Max, _fold(Interval.maximum)),
    (sympy.Sum, lambda x, values: sum(_terms(x, values), Interval(0))),
    (sympy.Product, lambda x, values: reduce(Interval.__mul__, _terms(x, values), Interval(1))),
    (sympy.Piecewise, _piecewise),
    (IntervalFunction, lambda x, values: type(x).enclose(*(_visit(a, values) for a in x.args))),
    (type(sympy.E), lambda x, values: Interval(1).exp()),
)
