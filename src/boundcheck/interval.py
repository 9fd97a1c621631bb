"""`Interval`: a closed interval [lo, hi] of extended reals that encloses a number, rounded outward.

The ends are computed by Arb's ball arithmetic (Johansson 2017, IEEE Trans. Comput. 66(8)) at `PRECISION` bits and
only ever moved outward. Ends are kept apart, not as midpoint and radius: a ball around 1e+5000 has no room for a
lower end of 1e-300, and a bound can have both.

    >>> x = Interval(1, 2) / 3
    >>> x.contains(Fraction(1, 3)), x < 1
    (True, True)
    >>> (Interval(10) ** 5000).log10().contains(5000)
    True

Operations return every value that the exact operation takes on the operands (the natural interval extension), so
widening an operand never narrows a result. Order comparisons are *certain*: `x < y` says that every point of `x`
lies below every point of `y`, and neither `x < y` nor `x >= y` need hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import numpy as np
from flint import arb, ctx, fmpq, fmpz

PRECISION: Final = 128
"""Bits of the working precision: ten printed digits stay right through every formula of the catalogue."""

ctx.prec = PRECISION

_ZERO = arb(0)
_INF = arb.pos_inf()
_NINF = arb.neg_inf()


class Lower(arb):
    """A lower end; `float` rounds it down."""

    def __float__(self) -> float:
        x = super().__float__()
        if math.isinf(x):
            return math.nextafter(math.inf, 0) if x > 0 and self.is_finite() else x
        return x if arb(x) <= self else math.nextafter(x, -math.inf)


class Upper(arb):
    """An upper end; `float` rounds it up."""

    def __float__(self) -> float:
        x = super().__float__()
        if math.isinf(x):
            return math.nextafter(-math.inf, 0) if x < 0 and self.is_finite() else x
        return x if arb(x) >= self else math.nextafter(x, math.inf)


def _exact(x: Any) -> tuple[arb, arb]:
    """Both ends of a real number given as int, float, Fraction, arb or Interval."""
    if isinstance(x, Interval):
        return x._lo, x._hi
    if isinstance(x, arb):
        return x.lower(), x.upper()
    if isinstance(x, np.generic):
        x = x.item()
    if isinstance(x, float):
        if math.isnan(x):
            raise ValueError("an interval needs real numbers; received nan")
        end = arb(x)
        return end, end
    if isinstance(x, int):
        ball = arb(fmpz(x))
        return ball.lower(), ball.upper()
    if isinstance(x, Fraction):
        ball = arb(fmpq(x.numerator, x.denominator))
        return ball.lower(), ball.upper()
    raise TypeError(f"an interval needs int, float or Fraction ends; received {type(x).__name__}")


class Interval:
    """[lo, hi], with lo <= hi, both in the extended reals.

    **Arguments.** `lo`, `hi`: `int`, `float`, `Fraction`, NumPy scalar or `arb`; `hi` defaults to `lo`. A number that
    has no exact binary form is rounded outward. Raises `ValueError` for nan or `lo > hi`.
    """

    __slots__ = ("_hi", "_lo")

    def __init__(self, lo: Any, hi: Any = None) -> None:
        self._lo, top = _exact(lo)
        self._hi = top if hi is None else _exact(hi)[1]
        if not self._lo <= self._hi:
            raise ValueError(f"an interval needs lo <= hi; received lo = {lo}, hi = {hi}")

    @classmethod
    def _outward(cls, lo: arb, hi: arb) -> Interval:
        """From balls that contain the exact ends; an undefined end becomes infinite."""
        self = object.__new__(cls)
        self._lo = _NINF if lo.is_nan() else lo.lower()
        self._hi = _INF if hi.is_nan() else hi.upper()
        if not self._lo <= self._hi:
            raise ArithmeticError(f"an enclosure with lo > hi: {_text(self._lo)} > {_text(self._hi)}")
        return self

    @classmethod
    def hull(cls, *parts: Interval | float | Fraction) -> Interval:
        """The smallest interval that contains all parts."""
        ends = [_exact(p) for p in parts]
        return cls._outward(min(e[0] for e in ends), max(e[1] for e in ends))

    @classmethod
    def whole(cls) -> Interval:
        """The whole real line: nothing is known."""
        return cls._outward(_NINF, _INF)

    @property
    def lo(self) -> Lower:
        """The lower end; `float(x.lo)` rounds down."""
        return Lower(self._lo)

    @property
    def hi(self) -> Upper:
        """The upper end; `float(x.hi)` rounds up."""
        return Upper(self._hi)

    @property
    def is_exact(self) -> bool:
        """Whether the interval is a single point."""
        return bool(self._lo == self._hi)

    @property
    def is_finite(self) -> bool:
        """Whether both ends are finite."""
        return bool(self._lo.is_finite() and self._hi.is_finite())

    def midpoint(self) -> arb:
        """A point of the interval, for display and for choices that need no certificate."""
        if self.is_finite:
            return ((self._lo + self._hi) / 2).mid()
        return self._lo if self._lo.is_finite() else self._hi

    def contains(self, x: Any) -> bool:
        """Whether every point of `x` (a number or an interval) lies inside; a `Fraction` is compared exactly."""
        if isinstance(x, Fraction):
            above = not self._lo.is_finite() or Fraction(*_dyadic(self._lo)) <= x
            return above and (not self._hi.is_finite() or x <= Fraction(*_dyadic(self._hi)))
        lo, hi = _exact(x)
        return bool(self._lo <= lo and hi <= self._hi)

    def intersects(self, other: Interval | float) -> bool:
        """Whether the two have a point in common."""
        lo, hi = _exact(other)
        return bool(lo <= self._hi and self._lo <= hi)

    # Arithmetic -------------------------------------------------------------------------------------------------

    def __neg__(self) -> Interval:
        return Interval._outward(-self._hi, -self._lo)

    def __add__(self, other: Any) -> Interval:
        lo, hi = _exact(other)
        return Interval._outward(self._lo + lo, self._hi + hi)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Interval:
        lo, hi = _exact(other)
        return Interval._outward(self._lo - hi, self._hi - lo)

    def __rsub__(self, other: Any) -> Interval:
        return -(self - other)

    def __mul__(self, other: Any) -> Interval:
        lo, hi = _exact(other)
        if self._lo > 0 and lo > 0:
            return Interval._outward(self._lo * lo, self._hi * hi)
        products = [_product(a, b) for a in (self._lo, self._hi) for b in (lo, hi)]
        return Interval._outward(min(p.lower() for p in products), max(p.upper() for p in products))

    __rmul__ = __mul__

    def reciprocal(self) -> Interval:
        """1/x for every nonzero x of the interval."""
        if self._lo > 0 or self._hi < 0:
            return Interval._outward(_inverse(self._hi), _inverse(self._lo))
        if self._lo == 0 and self._hi > 0:
            return Interval._outward(_inverse(self._hi), _INF)
        if self._hi == 0 and self._lo < 0:
            return Interval._outward(_NINF, _inverse(self._lo))
        return Interval.whole()

    def __truediv__(self, other: Any) -> Interval:
        return self * Interval(*_exact(other)).reciprocal()

    def __rtruediv__(self, other: Any) -> Interval:
        return self.reciprocal() * other

    def __pow__(self, exponent: Any) -> Interval:
        """x**p. An integer p takes any base; otherwise the base is restricted to its nonnegative points."""
        if isinstance(exponent, Interval):
            if not exponent.is_exact:
                return (self.log() * exponent).exp()
            exponent = Fraction(*_dyadic(exponent._lo))
        p = Fraction(exponent)
        if p < 0:
            return (self ** (-p)).reciprocal()
        if p.denominator == 1:
            n = int(p)
            if n == 0:
                return Interval(1)
            if n % 2 or self._lo >= 0:
                return Interval._outward(self._lo**n, self._hi**n)
            if self._hi <= 0:
                return Interval._outward(self._hi**n, self._lo**n)
            return Interval._outward(_ZERO, max((self._lo**n).upper(), (self._hi**n).upper()))
        q = arb(fmpq(p.numerator, p.denominator))
        return self._nonnegative("a fractional power")._map(lambda x: x if x == 0 or x == _INF else x**q)

    def __abs__(self) -> Interval:
        if self._lo >= 0:
            return self
        return -self if self._hi <= 0 else Interval._outward(_ZERO, max(-self._lo, self._hi))

    # Functions --------------------------------------------------------------------------------------------------

    def _map(self, increasing: Callable[[arb], arb]) -> Interval:
        return Interval._outward(increasing(self._lo), increasing(self._hi))

    def _nonnegative(self, what: str) -> Interval:
        """The part where a root or a logarithm is defined; rounding may have pushed an end below 0."""
        if self._hi < 0:
            raise ArithmeticError(f"{what} needs a nonnegative number; received {self}")
        return self if self._lo >= 0 else Interval._outward(_ZERO, self._hi)

    def sqrt(self) -> Interval:
        """The square root of the nonnegative part."""
        return self._nonnegative("a square root")._map(arb.sqrt)

    def exp(self) -> Interval:
        """The exponential."""
        return self._map(arb.exp)

    def log(self) -> Interval:
        """The natural logarithm of the nonnegative part; log 0 is -inf."""
        return self._nonnegative("a logarithm")._map(_log)

    def log1p(self) -> Interval:
        """log(1 + x), accurate near 0."""
        (self + 1)._nonnegative("a logarithm")
        return self._map(lambda x: _NINF if x <= -1 else x.log1p())

    def expm1(self) -> Interval:
        """exp(x) - 1, accurate near 0."""
        return self._map(arb.expm1)

    def log10(self) -> Interval:
        """The decimal logarithm of the nonnegative part, finite however large the number."""
        return self.log() / Interval(10).log()

    def minimum(self, other: Any) -> Interval:
        """min(x, y), end by end."""
        lo, hi = _exact(other)
        return Interval._outward(min(self._lo, lo), min(self._hi, hi))

    def maximum(self, other: Any) -> Interval:
        """max(x, y), end by end."""
        lo, hi = _exact(other)
        return Interval._outward(max(self._lo, lo), max(self._hi, hi))

    def integers(self) -> tuple[int, int]:
        """The least and greatest integer inside; the surrounding pair when there is none.

        A count that went through a division and a multiplication comes back exactly.
        """
        if not self.is_finite:
            raise ArithmeticError(f"a count needs a finite interval; received {self}")
        up = self._lo.ceil().unique_fmpz()
        down = self._hi.floor().unique_fmpz()
        if up is None or down is None:
            raise ArithmeticError(f"a count beyond {PRECISION} bits has no exact integer; received {self}")
        return (int(up), int(down)) if up <= down else (int(down), int(up))

    # Order, identity, display -------------------------------------------------------------------------------------

    def __lt__(self, other: Any) -> bool:
        return bool(self._hi < _exact(other)[0])

    def __le__(self, other: Any) -> bool:
        return bool(self._hi <= _exact(other)[0])

    def __gt__(self, other: Any) -> bool:
        return bool(self._lo > _exact(other)[1])

    def __ge__(self, other: Any) -> bool:
        return bool(self._lo >= _exact(other)[1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interval) and bool(self._lo == other._lo and self._hi == other._hi)

    def __hash__(self) -> int:
        return hash(self.dump())

    def __repr__(self) -> str:
        return f"Interval({_text(self._lo)}, {_text(self._hi)})"

    def dump(self) -> tuple[str, str]:
        """Both ends as exact text (`mantissa p exponent`), for JSON; `load` is the inverse."""
        return _dump(self._lo), _dump(self._hi)

    @classmethod
    def load(cls, ends: tuple[str, str] | list[str]) -> Interval:
        """The interval that `dump` wrote. Raises `ValueError` for anything else."""
        lo, hi = (_load(end) for end in ends)
        return cls(lo, hi)


def _product(a: arb, b: arb) -> arb:
    """a*b with 0 * inf = 0: an end of 0 means the factor can be 0, and 0 times any finite number is 0."""
    return _ZERO if a == 0 or b == 0 else a * b


def _inverse(x: arb) -> arb:
    return 1 / x if x.is_finite() else _ZERO


def _log(x: arb) -> arb:
    return _NINF if x == 0 else _INF if x == _INF else x.log()


def _dyadic(x: arb) -> tuple[int, int]:
    mantissa, exponent = (int(part) for part in x.man_exp())
    return (mantissa << exponent, 1) if exponent >= 0 else (mantissa, 1 << -exponent)


def _dump(x: arb) -> str:
    if not x.is_finite():
        return "inf" if x > 0 else "-inf"
    mantissa, exponent = x.man_exp()
    return f"{mantissa}p{exponent}"


def _load(text: str) -> arb:
    if text in ("inf", "-inf"):
        return _INF if text == "inf" else _NINF
    mantissa, separator, exponent = text.partition("p")
    if not separator:
        raise ValueError(f"an interval end is written as 'mantissa p exponent'; received {text!r}")
    end = arb(fmpz(int(mantissa)))
    return (end * arb(2) ** int(exponent)).mid()


def _text(x: arb) -> str:
    if not x.is_finite():
        return "inf" if x > 0 else "-inf"
    return x.str(10, radius=False)
