"""Inverse tails: of the binary kl, the binomial and the hypergeometric law.

A tail is inverted by bisection between points where it is certainly on either side; the ends returned are such points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from flint import arb, ctx, fmpz

from ..interval import Interval
from .function import IntervalFunction

_BISECTIONS = 60


def _crossing(below: Callable[[Interval], bool | None], start: float) -> tuple[Interval, Interval]:
    """Points a < b of the line with `below(a)` certainly true and `below(b)` certainly false, close together.

    `below` is true to the left of an unknown crossing and returns None where its rounding cannot tell; such points
    stay between a and b. An end that cannot be found is infinite.
    """
    a, b = _bracket(below, start, -1, True), _bracket(below, start, 1, False)
    if a is None or b is None:
        return Interval(-math.inf if a is None else a), Interval(math.inf if b is None else b)
    low, high = a, b
    for _ in range(_BISECTIONS):
        middle = ((low + high) / 2).mid()
        verdict = below(Interval(middle))
        if verdict is True:
            a = low = middle
        elif verdict is False:
            b = high = middle
        else:
            # The crossing is somewhere here; close in on the undecided stretch from both sides.
            return Interval(_edge(below, a, middle, True)), Interval(_edge(below, b, middle, False))
    return Interval(a), Interval(b)


def _bracket(
    below: Callable[[Interval], bool | None], start: float, direction: int, wanted: bool
) -> arb | None:
    """A point in this direction where `below` is certainly `wanted`; steps double."""
    x, step = arb(start), arb(direction)
    for _ in range(60):
        if below(Interval(x)) is wanted:
            return x
        x, step = (x + step).mid(), step * 2
    return None


def _edge(below: Callable[[Interval], bool | None], known: arb, unknown: arb, wanted: bool) -> arb:
    """From a point where `below` is `wanted`, as far towards an undecided point as it certainly stays so."""
    for _ in range(_BISECTIONS):
        middle = ((known + unknown) / 2).mid()
        if below(Interval(middle)) is wanted:
            known = middle
        else:
            unknown = middle
    return known


def _logistic_logs(x: Interval) -> tuple[Interval, Interval]:
    """(ln p, ln(1-p)) for p = 1/(1 + e^-x)."""
    return -((-x).exp().log1p()), -(x.exp().log1p())


def _slack(x: Interval) -> Interval:
    """1 - p = 1/(1 + e^x)."""
    return 1 / (1 + x.exp())


def _logit(p: float) -> float:
    p = min(max(p, 1e-12), 1 - 1e-12)
    return math.log(p / (1 - p))


class KlInverse(IntervalFunction):
    """sup{ p in [q, 1] : kl(q || p) <= c }, for q in [0, 1] and c >= 0 in nats.

    Nondecreasing in both. Source: docs/theory/occam.md.
    """

    nargs = (2,)
    tex = r"\mathrm{{kl}}^{{-1}}\!\left({};\, {}\right)"

    @classmethod
    def enclose(cls, q: Interval, c: Interval) -> Interval:
        return (1 - cls.enclose_slack(q, c)).maximum(q.maximum(0).minimum(1).lo).minimum(1)

    @classmethod
    def enclose_slack(cls, q: Interval, c: Interval) -> Interval:
        lo, _ = cls._ends(Interval(q.hi).minimum(1), Interval(c.hi))
        _, hi = cls._ends(Interval(q.lo).maximum(0), Interval(c.lo))
        return Interval._outward(lo, hi)

    @staticmethod
    def _ends(q: Interval, c: Interval) -> tuple[arb, arb]:
        """Both ends of the slack at a point."""
        if q >= 1 or not c.is_finite:
            return arb(0), arb(0)
        if q > 1 - 1e-9:
            # Too close to 1 for a start between q and 1 in double precision; the trivial enclosure is narrow anyway.
            return arb(0), (1 - q).hi.mid()
        if q <= 0:
            slack = (-c).exp()
            return slack.lo.mid(), slack.hi.mid()
        r = 1 - q
        entropy = q * q.log() + r * r.log()

        def below(x: Interval) -> bool | None:
            log_p, log_s = _logistic_logs(x)
            kl = entropy - q * log_p - r * log_s
            return True if kl <= c else False if kl > c else None

        # q itself satisfies kl = 0 <= c, but a rounded kl there may straddle a tiny c; then nothing below the
        # crossing is certified and the slack's upper end is 1 - q.
        start = _logit(float(q.midpoint()))
        if below(Interval(start)) is not True:
            _, b = _crossing(lambda x: True if x <= start else below(x), start)
            return _slack(b).lo.mid(), r.hi.mid()
        a, b = _crossing(below, start)
        return _slack(b).lo.mid(), _slack(a).hi.mid()


def log_binomial(n: int, k: int) -> Interval:
    """ln of a binomial coefficient. Logarithms of factorials cancel: as many bits more as n has."""
    with ctx.workprec(ctx.prec + 2 * n.bit_length()):
        top, left = arb(fmpz(n)), arb(fmpz(k))
        ball = (top + 1).lgamma() - (left + 1).lgamma() - (top - left + 1).lgamma()
    return Interval._outward(ball, ball)


_MOST_TERMS = 5_000
"""Enough for all digits up to about 10^6 examples: terms die out over some 13 standard deviations."""

_FEW_TERMS = 200
"""For counts beyond 10^7, met only when asking how many examples would suffice; the enclosure is then wider."""


def log_series(ratio: Callable[[int], arb], length: int, size: int) -> Interval:
    """ln(1 + r_0 + r_0 r_1 + ...) over `length` ratios that fall (log-concave terms).

    Once the terms are negligible, or too many, the rest is enclosed by a geometric series; where the terms still grow
    when there are too many, nothing is known above. `size` is the order of the counts, which sets how many are too many.
    """
    total = term = arb(1)
    most = _MOST_TERMS if size < 10_000_000 else _FEW_TERMS
    for j in range(length):
        r = ratio(j)
        if r < 1:
            rest = (term * r / (1 - r)).upper()
            if rest < 1e-36 * total or j >= most:
                return Interval._outward(total, total + rest).log()
        elif j >= most:
            return Interval._outward(total, arb.pos_inf()).log()
        term *= r
        total += term
    return Interval._outward(total, total).log()


def log_tail(
    at: Callable[[int], Interval], down: Callable[[int], arb], top: int, bottom: int, end: int, size: int
) -> Interval:
    """ln Pr[X <= top] for a log-concave law on bottom..end.

    `at(i)` is ln Pr[X = i] and `down(i)` is Pr[X = i-1] / Pr[X = i]. Below the mode the terms are summed downwards; above
    it the upper tail is summed and taken from 1, so that the terms always fall.
    """
    if top >= end:
        return Interval(0)
    if top < bottom:
        return Interval(-math.inf)
    if top == bottom or down(top) < 1:
        return (at(top) + log_series(lambda j: down(top - j), top - bottom, size)).minimum(0)
    above = (at(top + 1) + log_series(lambda j: 1 / down(top + 2 + j), end - top - 1, size)).minimum(0)
    return (-above.exp()).log1p() if above < 0 else Interval(-math.inf, 0)


class BinomialInverse(IntervalFunction):
    """sup{ p : Pr[Bin(n, p) <= K] >= e^-c }: the upper Clopper-Pearson limit at failure probability e^-c.

    Increasing in K and c, decreasing in n at fixed K. 1 for K = n. Source: docs/theory/test-set.md.
    """

    nargs = (3,)
    tex = r"\mathrm{{Bin}}^{{-1}}\!\left({0};\, {1},\, e^{{-\left({2}\right)}}\right)"

    @classmethod
    def enclose(cls, K: Interval, n: Interval, c: Interval) -> Interval:
        return (1 - cls.enclose_slack(K, n, c)).maximum(0).minimum(1)

    @classmethod
    def enclose_slack(cls, K: Interval, n: Interval, c: Interval) -> Interval:
        fewest, most = K.integers()
        n_least, n_most = n.integers()
        lo, _ = cls._ends(most, n_least, Interval(c.hi))
        _, hi = cls._ends(fewest, n_most, Interval(c.lo))
        return Interval._outward(lo, hi)

    @staticmethod
    def _ends(K: int, n: int, c: Interval) -> tuple[arb, arb]:
        if n <= K or not c.is_finite:
            return arb(0), arb(0)
        if K <= 0:
            slack = (-c / n).exp()
            return slack.lo.mid(), slack.hi.mid()
        log_choose = log_binomial(n, K)

        def below(x: Interval) -> bool | None:
            """Whether the tail at p(x) still reaches e^-c."""
            log_p, log_s = _logistic_logs(x)
            odds = (-x.lo.mid()).exp()

            def at(i: int) -> Interval:
                log_ways = log_choose if i == K else log_binomial(n, i)
                return log_ways + i * log_p + (n - i) * log_s

            tail = log_tail(at, lambda i: odds * fmpz(i) / fmpz(n - i + 1), K, 0, n, n)
            return True if tail >= -c else False if tail < -c else None

        a, b = _crossing(below, _logit((K + 0.5) / (n + 1)))
        return _slack(b).lo.mid(), _slack(a).hi.mid()


class HypergeometricInverse(IntervalFunction):
    """max(1, U - 1 - K) / m with U = min{ Q >= K : HypCDF(K; n + m, Q, n) <= e^-c }, and 1 for K = n.

    K errors among n training examples, m ghost examples, c = ln(4 Pi(n+m) / delta). Nondecreasing in K and c.
    Source: Leboeuf, LeBlanc and Marchand 2021, arXiv:2111.00062, Theorem 8; docs/theory/growth-to-error.md.
    """

    nargs = (4,)
    tex = r"\mathrm{{Hyp}}^{{-1}}\!\left({0};\, {1},\, {2},\, e^{{-\left({3}\right)}}\right)"

    @staticmethod
    def _excess(U: int, K: int) -> int:
        """How many ghost errors are not excluded."""
        return max(1, U - 1 - K)

    @classmethod
    def enclose(cls, K: Interval, n: Interval, m: Interval, c: Interval) -> Interval:
        fewest, most = K.integers()
        (n_lo, n_hi), (m_lo, m_hi) = n.integers(), m.integers()
        if n_lo != n_hi or m_lo != m_hi:
            raise ArithmeticError(f"the hypergeometric tail needs whole sample sizes; received {n} and {m}")
        lo = cls._value(fewest, n_lo, m_lo, Interval(c.lo), certain=False)
        hi = cls._value(most, n_lo, m_lo, Interval(c.hi), certain=True)
        return Interval.hull(lo, hi)

    @classmethod
    def _value(cls, K: int, n: int, m: int, c: Interval, *, certain: bool) -> Interval:
        """The value at integers: with `certain`, Q counts only when its tail is certainly small enough."""
        if n <= K:
            return Interval(1)
        M = n + m
        log_all = log_binomial(M, n)

        def small(Q: int) -> bool:
            def at(i: int) -> Interval:
                return log_binomial(Q, i) + log_binomial(M - Q, n - i) - log_all

            def down(i: int) -> arb:
                return arb(fmpz(i * (M - Q - n + i))) / fmpz((Q - i + 1) * (n - i + 1))

            tail = log_tail(at, down, K, max(0, n - (M - Q)), min(n, Q), M)
            return tail <= -c if certain else not tail > -c

        low, high = K, K + m + 1
        if small(low):
            high = low
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if small(middle) else (middle, high)
        return Interval(Fraction(cls._excess(high, K), m)).minimum(1)


class HypergeometricMedianInverse(HypergeometricInverse):
    """min(1, (U - K) / m) with the same U, and 1 for K = n; c = ln(2 Pi(n+m) / delta) suffices then.

    Source: docs/theory/growth-to-error.md.
    """

    nargs = (4,)
    tex = r"\mathrm{{Hyp}}_{{1/2}}^{{-1}}\!\left({0};\, {1},\, {2},\, e^{{-\left({3}\right)}}\right)"

    @staticmethod
    def _excess(U: int, K: int) -> int:
        return U - K
