"""`check_bound`: the conformance kit. What every bound must satisfy, ours and anyone's, before it is believed.

from boundcheck.testing import check_bound

def test_my_bound():
    for record in check_bound(my_bound):
        assert record.status == "passed", record
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import sympy

from .bound import Bound, exact_values
from .interval import Interval
from .quantities.quantity import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecord:
    """The outcome of one check on one bound."""

    bound: str
    check: str
    status: Literal["passed", "failed"]
    reason: str


Check = Callable[[Bound], str]
"""Returns what is wrong, or an empty string."""


def example_agrees(bound: Bound) -> str:
    """The interval evaluation of the exact example contains, and agrees with, every printed digit."""
    value = bound.example_value()
    printed = Fraction(bound.example.value)
    digits = len(bound.example.value.partition(".")[2])
    unit = Fraction(1, 2 * 10**digits) if digits else Fraction(1, 2)
    if not Interval(printed - unit, printed + unit).contains(value):
        return f"the example evaluates to {value}, and {bound.example.value} is declared"
    return ""


def widening_never_narrows(bound: Bound) -> str:
    """Widening any one input of the example never narrows the output (inclusion isotonicity)."""
    values = exact_values(bound.example.values)
    base = bound.theorem.enclose(values)
    for symbol, value in values.items():
        if _fixed(bound, symbol):
            continue
        wide = bound.theorem.enclose(values | {symbol: _widened(value, bound.symbols[symbol])})
        if not wide.contains(base):
            return f"widening {symbol} moved the value from {base} to {wide}, which does not contain it"
    return ""


def grows_with_confidence(bound: Bound) -> str:
    """More confidence never lowers the bound: it is nonincreasing in delta."""
    values = exact_values(bound.example.values)
    for symbol, measurement in bound.symbols.items():
        if measurement.role == "delta":
            loose = bound.theorem.enclose(values | {symbol: Interval(Fraction(1, 2))})
            strict = bound.theorem.enclose(values | {symbol: Interval(Fraction(1, 1000))})
            if strict < loose:
                return f"the bound falls from {loose} to {strict} when delta falls from 1/2 to 1/1000"
            return ""
    return "no symbol is filled by delta: a theorem that holds with probability 1 - delta must mention it"


def is_above_the_training_error(bound: Bound) -> str:
    """A bound on the error that starts from an empirical error never lies below it."""
    values = exact_values(bound.example.values)
    for symbol, measurement in bound.symbols.items():
        if measurement.name in ("train-error", "ramp-risk"):
            value = bound.theorem.enclose(values)
            if value < values[symbol]:
                return f"the bound {value} lies below the empirical error {values[symbol]}"
    return ""


def names_its_source(bound: Bound) -> str:
    """The citation names a work, and the theorem says what it assumes."""
    work = bound.theorem.citation.reference
    if not (work.key and work.authors and work.title and work.year):
        return f"the citation lacks key, authors, title or year: {work}"
    return "" if bound.theorem.assumptions else "a theorem without assumptions is not one of learning theory"


CHECKS: tuple[Check, ...] = (
    example_agrees,
    widening_never_narrows,
    grows_with_confidence,
    is_above_the_training_error,
    names_its_source,
)


def check_bound(bound: Bound) -> list[CheckRecord]:
    """Every check on a bound, as records. A check that raises has failed, with its message."""
    return [_run(check, bound) for check in CHECKS]


def cases(bounds: Mapping[str, Bound]) -> Iterator[tuple[Bound, Check]]:
    """(bound, check) pairs, for `pytest.mark.parametrize`."""
    for bound in bounds.values():
        for check in CHECKS:
            yield bound, check


def _run(check: Check, bound: Bound) -> CheckRecord:
    try:
        wrong = check(bound)
    except Exception as error:
        # A bound under test may do anything; what it does is the finding.
        wrong = f"{type(error).__name__}: {error}"
    return CheckRecord(
        bound=bound.id, check=check.__name__, status="failed" if wrong else "passed", reason=wrong
    )


def _fixed(bound: Bound, symbol: sympy.Basic) -> bool:
    """Whether the symbol counts layers, or must stay a whole number."""
    return bound.symbols[symbol].whole


def _widened(value: Any, measurement: Measurement) -> Any:
    if isinstance(value, tuple):
        return tuple(_widened(v, measurement) for v in value)
    low, high = value * Fraction(9, 10), value * Fraction(11, 10)
    wide = Interval.hull(low, high)
    return wide.minimum(measurement.at_most) if measurement.at_most is not None else wide
