"""Printed numbers of the theory against the product's own evaluation, digit by digit."""

from fractions import Fraction

from boundcheck import Interval
from boundcheck.bound import exact_values
from boundcheck.registry import installed

BOUNDS = installed().bounds


def agrees(value: Interval, printed: str) -> bool:
    """Whether the interval rounds to the printed digits, all of them."""
    exact = Fraction(printed)
    digits = len(printed.lstrip("-").replace(".", "").lstrip("0"))
    magnitude = len(str(int(abs(exact)))) if abs(exact) >= 1 else -_leading_zeros(exact)
    unit = Fraction(10) ** (magnitude - digits)
    return Interval(exact - unit * Fraction(51, 100), exact + unit * Fraction(51, 100)).contains(value)


def _leading_zeros(x: Fraction) -> int:
    count = 0
    while abs(x) * 10 ** (count + 1) < 1:
        count += 1
    return count


def at(identifier: str, **numbers) -> Interval:
    """A bound with numbers for its symbols, by name."""
    bound = BOUNDS[identifier]
    names = {str(s): s for s in bound.symbols}
    return bound.theorem.enclose(exact_values({names[key]: value for key, value in numbers.items()}))


def slack(identifier: str, **numbers) -> Interval:
    bound = BOUNDS[identifier]
    names = {str(s): s for s in bound.symbols}
    return bound.theorem.enclose_slack(exact_values({names[key]: value for key, value in numbers.items()}))
