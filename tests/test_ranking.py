"""Kendall's tau of intervals: check values, an independent implementation, and every choice inside the intervals."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import kendalltau

from boundcheck import Interval
from boundcheck.ranking import kendall, order


@pytest.mark.parametrize(
    ("pairs", "tau"),
    [
        ([(1, ".1"), (2, ".3"), (3, ".2"), (4, ".4")], Fraction(2, 3)),
        ([(1, 3), (1, 2), (2, 1)], Fraction(-2, 3)),
    ],
)
def test_kendall_check_values(pairs, tau):
    first, second = ([Interval(Fraction(v)) for v in column] for column in zip(*pairs, strict=True))
    assert kendall(first, second).contains(tau)
    assert kendall(first, second).hi - kendall(first, second).lo < 1e-30


def test_kendall_without_ties_is_that_of_scipy():
    rng = np.random.default_rng(2)
    for _ in range(20):
        a, b = rng.normal(size=(2, 7))
        ours = kendall([Interval(float(v)) for v in a], [Interval(float(v)) for v in b])
        assert float(ours.lo) == pytest.approx(kendalltau(a, b).statistic)


def test_kendall_of_intervals_contains_that_of_every_choice():
    rng = np.random.default_rng(3)
    low = rng.normal(size=(2, 5))
    high = low + rng.choice([0.0, 0.5], size=(2, 5))
    a, b = ([Interval(float(x), float(y)) for x, y in zip(low[r], high[r], strict=True)] for r in range(2))
    tau = kendall(a, b)
    for bits in itertools.product((0, 1), repeat=10):
        pick = np.where(np.array(bits).reshape(2, 5), high, low)
        one = kendall([Interval(float(v)) for v in pick[0]], [Interval(float(v)) for v in pick[1]])
        assert tau.contains(one)


def test_order_is_only_as_certain_as_the_intervals():
    assert order(Interval(2), Interval(1)) == Interval(1)
    assert order(Interval(1), Interval(1)) == Interval(0)
    assert order(Interval(1, 2), Interval(2, 3)) == Interval(-1, 1)
    with pytest.raises(ValueError, match="at least two"):
        kendall([Interval(1)], [Interval(1)])
