"""Covering numbers: Dudley's integral in closed form."""

from __future__ import annotations

from ..interval import Interval
from .function import IntervalFunction


class Dudley(IntervalFunction):
    r"""h(C, n) = (12 C / n)(1 + max(0, ln(n / (12 C)))): Dudley's integral when ln N(eps) <= C^2 / eps^2.

    Nondecreasing in C. Source: docs/theory/spectral-cover.md, Lemma D.
    """

    nargs = (2,)
    tex = r"h\!\left({};\, {}\right)"

    @classmethod
    def enclose(cls, C: Interval, n: Interval) -> Interval:
        ratio = 12 * C / n
        return Interval.hull(cls._at(Interval(ratio.lo)), cls._at(Interval(ratio.hi)))

    @staticmethod
    def _at(u: Interval) -> Interval:
        """u (1 + max(0, -ln u)) at a point, nondecreasing in u."""
        if u <= 0:
            return Interval(0)
        return u if u >= 1 or not u.is_finite else u * (1 + (-u.log()).maximum(0))


class NetIntegral(IntervalFunction):
    """psi(u) = ln(1 + u) + u ln(1 + 1/u), the mean of ln(1 + u/t) over t in (0, 1]; psi(0) = 0.

    Nondecreasing. Source: docs/theory/parameter-count.md.
    """

    nargs = (1,)
    tex = r"\psi\!\left({}\right)"

    @classmethod
    def enclose(cls, u: Interval) -> Interval:
        return Interval.hull(cls._at(Interval(u.lo)), cls._at(Interval(u.hi)))

    @staticmethod
    def _at(u: Interval) -> Interval:
        if u <= 0:
            return Interval(0)
        return u.log1p() + (u * u.reciprocal().log1p() if u.is_finite else Interval(1))
