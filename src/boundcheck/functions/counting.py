"""How many patterns a class of bounded dimension has on m points."""

from __future__ import annotations

from flint import arb, fmpz

from ..interval import Interval
from .function import IntervalFunction
from .tails import log_binomial, log_series, log_tail


class LogSauer(IntervalFunction):
    """ln sum_{i <= d} C(m, i) K^i, for whole m, d >= 0 and K >= 1.

    With K = 1 the lemma of Sauer, Shelah, Vapnik and Chervonenkis: the number of patterns of a class of binary functions of
    VC dimension d. With K = k (k - 1)/2 the lemma of Haussler and Long 1995: the number of label vectors of a class of functions
    into k labels of Natarajan dimension d. Nondecreasing in all three. Source: docs/theory/growth-to-error.md.
    """

    nargs = (3,)
    tex = r"\ln \sum_{{i \le {1}}} \binom{{{0}}}{{i}} \left({2}\right)^i"

    @classmethod
    def enclose(cls, m: Interval, d: Interval, K: Interval) -> Interval:
        (m_lo, m_hi), d_lo, (K_lo, K_hi) = m.integers(), d.lo, K.integers()
        least = int(Interval(d_lo).minimum(m_lo).integers()[0])
        most = int(Interval(d.hi).minimum(m_hi).integers()[1])
        return Interval.hull(cls._at(m_lo, least, K_lo), cls._at(m_hi, most, K_hi))

    @staticmethod
    def _at(m: int, d: int, K: int) -> Interval:
        everything = Interval(K + 1).log() * m
        if d >= m:
            return everything
        log_K = Interval(K).log()

        def down(i: int) -> arb:
            """Term i - 1 over term i."""
            return arb(fmpz(i)) / fmpz((m - i + 1) * K)

        def at(i: int) -> Interval:
            return log_binomial(m, i) + log_K * i

        if down(d) < 1:
            return at(d) + log_series(lambda j: down(d - j), d, m)
        # Beyond the largest term: as a tail of the binomial law with odds K, whose complement falls.
        tail = log_tail(lambda i: at(i) - everything, down, d, 0, m, m)
        return (everything + tail).minimum(everything)


class Ceil(IntervalFunction):
    """The least whole number that is not below x."""

    nargs = (1,)
    tex = r"\left\lceil {}\right\rceil"

    @classmethod
    def enclose(cls, x: Interval) -> Interval:
        return Interval._outward(
            *(end if not end.is_finite() else end.ceil() for end in (x.lo.mid(), x.hi.mid()))
        )


class Harmonic(IntervalFunction):
    """H_n = 1 + 1/2 + ... + 1/n = digamma(n + 1) + Euler's constant, for real n >= 0; nondecreasing."""

    nargs = (1,)
    tex = r"H_{{{}}}"

    @classmethod
    def enclose(cls, n: Interval) -> Interval:
        return Interval.hull(*(cls._at(end) for end in (n.lo.mid(), n.hi.mid())))

    @staticmethod
    def _at(n: arb) -> Interval:
        if not n.is_finite():
            return Interval._outward(n, n)
        ball = (n + 1).digamma() + arb.const_euler()
        return Interval._outward(ball, ball)
