"""The inverse tails, grids and Dudley's integral against independent computations."""

import itertools
import math
from fractions import Fraction

import mpmath
import pytest
import scipy.stats
import sympy
from hypothesis import given
from hypothesis import strategies as st

from boundcheck import Interval
from boundcheck.extension import enclose
from boundcheck.functions import (
    Between,
    BinomialInverse,
    Dudley,
    FloorIndex,
    HypergeometricInverse,
    KlInverse,
    OneSidedIndex,
    TwoSidedIndex,
    grid_price,
    grid_up,
    two_sided_price,
)

t = sympy.Symbol("t", positive=True)


def nats(delta):
    return -Interval(Fraction(delta)).log()


def close(interval, expected, digits=10):
    unit = abs(expected) * 10.0**-digits
    return float(interval.lo) - unit <= expected <= float(interval.hi) + unit and (
        float(interval.hi) - float(interval.lo) <= 3 * unit
    )


@pytest.mark.parametrize("n", [1, 2, 7, 50, 1000, 60_000])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("delta", ["1/20", "1/10000", "9/10"])
def test_binomial_inverse_is_the_beta_quantile(n, share, delta):
    K = round(share * n)
    ours = BinomialInverse.enclose(Interval(K), Interval(n), nats(delta))
    expected = 1.0 if n == K else scipy.stats.beta.ppf(1 - float(Fraction(delta)), K + 1, n - K)
    assert close(ours, expected, 9)


def test_binomial_inverse_is_an_exact_tail_in_rational_arithmetic():
    """At the ends of the enclosure the exact tail lies on either side of delta."""
    K, n, delta = 3, 17, Fraction(1, 20)
    value = BinomialInverse.enclose(Interval(K), Interval(n), -Interval(delta).log())

    def tail(p):
        return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(K + 1))

    low, high = (Fraction(float(end)) for end in (value.lo, value.hi))
    assert tail(low) >= delta >= tail(high)
    assert high - low < Fraction(1, 10**14)


def test_small_complexity_may_lie_below_the_training_error_and_grow_with_n():
    c = Interval(Fraction(1, 20))
    assert close(BinomialInverse.enclose(Interval(1), Interval(2), c), 0.2208406110734, 10)
    assert close(BinomialInverse.enclose(Interval(2), Interval(4), c), 0.2463819176009, 10)


def test_slack_keeps_relative_accuracy_where_the_value_is_one_to_every_digit():
    c = Interval(32 * 669_706) * Interval(2).log() + nats("1/100")
    slack = BinomialInverse.enclose_slack(Interval(0), Interval(60_000), c)
    assert close(slack.log10(), -107.5208836, 9)
    assert KlInverse.enclose_slack(Interval(Fraction(1, 50)), c / 60_000).log10() < -100
    assert BinomialInverse.enclose(Interval(0), Interval(60_000), c).hi <= 1


def test_huge_samples_stay_enclosed_and_fast():
    for exponent in (9, 15, 40):
        n = 1 << int(exponent * 3.3)
        value = BinomialInverse.enclose(Interval(n // 10), Interval(n), nats("1/20"))
        assert value.contains(Fraction(1, 10)) or 0.1 < float(value.lo) < 0.11


@given(
    st.fractions(min_value=0, max_value=1, max_denominator=40),
    st.fractions(min_value=0, max_value=40, max_denominator=9),
)
def test_kl_inverse_brackets_the_crossing(q, c):
    value = KlInverse.enclose(Interval(q), Interval(c))
    mpmath.mp.dps = 40

    def kl(p):
        q_, p_ = mpmath.mpf(q.numerator) / q.denominator, mpmath.mpf(p)
        first = 0 if q == 0 else q_ * mpmath.log(q_ / p_) if p_ > 0 else mpmath.inf
        second = 0 if q == 1 else (1 - q_) * mpmath.log((1 - q_) / (1 - p_)) if p_ < 1 else mpmath.inf
        return first + second

    target = mpmath.mpf(c.numerator) / c.denominator
    low, high = float(value.lo), float(value.hi)
    if low > float(q) + 1e-12:
        assert kl(low) <= target * (1 + mpmath.mpf(10) ** -12)
    if high < 1:
        assert kl(min(1.0, high * (1 + 1e-13))) >= target * (1 - mpmath.mpf(10) ** -12)
    assert value.lo >= float(q) - 1e-15


@pytest.mark.parametrize(
    ("K", "n", "m", "d"),
    [
        (0, 12, 12, 1.0),
        (3, 12, 48, 2.0),
        (6, 12, 12, 0.5),
        (11, 12, 24, 1.5),
        (10, 100, 400, 3.0),
        (50, 100, 100, 6.0),
    ],
)
def test_hypergeometric_inverse_matches_the_exact_cumulative_distribution(K, n, m, d):
    """U by brute force over every Q, with exact rationals."""
    M = n + m

    def cdf(Q):
        return Fraction(
            sum(math.comb(Q, i) * math.comb(M - Q, n - i) for i in range(K + 1) if n - i <= M - Q),
            math.comb(M, n),
        )

    threshold = Fraction(math.exp(-d))
    U = next(Q for Q in range(K, K + m + 2) if Q > M or cdf(Q) <= threshold)
    ours = HypergeometricInverse.enclose(Interval(K), Interval(n), Interval(m), -Interval(threshold).log())
    assert ours.contains(Fraction(max(1, U - 1 - K), m))
    assert ours.hi - ours.lo < 1e-30


@pytest.mark.parametrize("n", [1000, 1_000_000])
def test_tails_are_right_on_both_sides_of_the_mode(n):
    """Summing away from the mode only: terms that still grow are no geometric series."""
    value = HypergeometricInverse.enclose(Interval(n // 10), Interval(n), Interval(4 * n), nats("1/20"))
    sigma = math.sqrt(0.09 / n * 5 / 4)
    assert 0.1 + 1.2 * sigma < float(value.lo) <= float(value.hi) < 0.1 + 3 * sigma
    clopper = BinomialInverse.enclose(Interval(n // 10), Interval(n), nats("1/20"))
    assert close(clopper, scipy.stats.beta.ppf(0.95, n // 10 + 1, n - n // 10), 7)


def test_inverses_are_monotone_in_errors_and_complexity():
    n = Interval(400)
    for K in range(0, 400, 37):
        for c in (0.1, 1.0, 7.0):
            base = BinomialInverse.enclose(Interval(K), n, Interval(c))
            assert BinomialInverse.enclose(Interval(K + 1), n, Interval(c)) > base
            assert BinomialInverse.enclose(Interval(K), n, Interval(c * 2)) > base
            low = HypergeometricInverse.enclose(Interval(K), n, n, Interval(c))
            high = HypergeometricInverse.enclose(Interval(K + 1), n, n, Interval(c))
            assert high.hi >= low.hi
            wide = BinomialInverse.enclose(Interval(K, K + 3), n, Interval(c, 2 * c))
            assert wide.contains(base)


def test_grids_on_their_check_values():
    for x, index, up, price in (
        (1000, 160, 1024, 10.16900070),
        (Fraction(3, 10), 67, 0.3242098887, 8.453614210),
    ):
        values = {t: Interval(x)}
        assert enclose(OneSidedIndex(t), values).contains(index)
        assert close(enclose(grid_up(t), values), up, 9)
        assert close(enclose(grid_price(t), values), price, 9)
    for x, index, up, price in (
        (3, 13, 3.084421651, 5.752572639),
        (Fraction(1, 3), -12, 0.3535533906, 5.609471795),
    ):
        j = TwoSidedIndex(t, 1)
        values = {t: Interval(x)}
        assert enclose(j, values).contains(index)
        assert close(enclose(2 ** (j / 8), values), up, 9)
        assert close(enclose(two_sided_price(j), values), price, 9)


@given(st.fractions(min_value=Fraction(1, 10**6), max_value=10**6, max_denominator=10**6), st.integers(1, 4))
def test_a_grid_index_is_the_least_one_that_covers(x, layers):
    """Compared in exact integers: x^(8m) against powers of two."""
    j = int(enclose(TwoSidedIndex(t, layers), {t: Interval(x)}).integers()[0])
    power = x ** (8 * layers)
    assert power <= Fraction(2) ** j
    assert power > Fraction(2) ** (j - 1) or j == -80 * layers
    assert int(enclose(FloorIndex(t), {t: Interval(x)}).integers()[0]) == _floor_log2(x**8)


def _floor_log2(x):
    k = x.numerator.bit_length() - x.denominator.bit_length()
    return k if Fraction(2) ** k <= x else k - 1


def test_a_power_of_two_sits_on_its_own_grid_point():
    for k in range(-9, 12):
        x = Interval(Fraction(2) ** k)
        assert enclose(OneSidedIndex(t), {t: x}) == Interval(8 * (k + 10))
        assert enclose(FloorIndex(t), {t: x}) == Interval(8 * k)
    assert enclose(OneSidedIndex(t), {t: Interval(0)}) == Interval(0)


def test_the_two_sided_price_of_an_interval_contains_its_minimum_inside():
    """The price falls and then rises, so its ends are not those of the interval."""
    j = TwoSidedIndex(t, 1)
    wide = enclose(two_sided_price(j), {t: Interval(Fraction(1, 3), 3)})
    assert wide.contains(Interval(3).log())


def test_dudley_on_its_check_values_and_beyond_saturation():
    assert close(Dudley.enclose(Interval(100), Interval(50_000)), 0.1135128348, 9)
    assert close(Dudley.enclose(Interval(1), Interval(10_000)), 0.009270520467, 9)
    assert Dudley.enclose(Interval(0), Interval(10)) == Interval(0)
    assert close(Dudley.enclose(Interval(10**9), Interval(10)), 1.2e9, 9)
    grid = [Dudley.enclose(Interval(Fraction(k, 10)), Interval(7)) for k in range(60)]
    assert all(b > a for a, b in itertools.pairwise(grid))


def test_between_keeps_both_ends():
    assert Between.enclose(Interval(2, 3), Interval(5, 7)) == Interval(2, 7)
    assert Between.enclose(Interval(9), Interval(5)) == Interval(5)


def test_the_two_sided_index_is_monotone_down_to_zero():
    j = TwoSidedIndex(t, 2)
    indices = [enclose(j, {t: Interval(Fraction(x))}) for x in (0, "1/10000000", "1/1024", "1/100", 1, 7)]
    assert all(a.hi <= b.lo for a, b in itertools.pairwise(indices))
    assert enclose(j, {t: Interval(0, Fraction(1, 10**6))}) == Interval(-160)
