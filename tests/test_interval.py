"""Intervals enclose, round outward, and live at any magnitude."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boundcheck import Interval
from boundcheck.interval import PRECISION

rationals = st.fractions(min_value=-50, max_value=50, max_denominator=997)


@given(rationals, rationals, rationals, rationals)
def test_arithmetic_contains_the_exact_result_of_every_pair_of_points(a, b, c, d):
    x, y = Interval.hull(a, b), Interval.hull(c, d)
    for p in (a, b, (a + b) / 2):
        for q in (c, d, (c + d) / 2):
            assert (x + y).contains(p + q)
            assert (x - y).contains(p - q)
            assert (x * y).contains(p * q)
            assert x.minimum(y).contains(min(p, q))
            assert x.maximum(y).contains(max(p, q))
            if q != 0:
                assert (x / y).contains(p / q)
    assert abs(x).contains(abs(a))
    assert (x**2).contains(a * a)
    assert (x**3).contains(b**3)


@given(rationals, rationals, st.fractions(min_value=0, max_value=3, max_denominator=50))
def test_widening_an_operand_never_narrows_a_result(a, b, more):
    x = Interval.hull(a, b)
    wide = Interval(min(a, b) - more, max(a, b) + more)
    y = Interval(Fraction(3, 7), Fraction(11, 7))
    for operation in (
        lambda t: t * y,
        lambda t: t / y,
        lambda t: t - y,
        lambda t: t.exp(),
        lambda t: abs(t),
        lambda t: t**2,
    ):
        assert operation(wide).contains(operation(x))


@pytest.mark.parametrize("x", [Fraction(1, 3), Fraction(10**9, 7), Fraction(1, 10**9)])
def test_functions_contain_the_seventy_digit_value_and_are_tight(x):
    """Outright: the reference errs by 10^-70, which no end of 128 bits comes near. Eight bits are lost at most."""
    with mpmath.workdps(70):
        exact = mpmath.mpf(x.numerator) / x.denominator
        pairs = (
            (Interval(x).log(), mpmath.log(exact)),
            (Interval(x).sqrt(), mpmath.sqrt(exact)),
            (Interval(x) ** Fraction(2, 3), mpmath.cbrt(exact) ** 2),
            (Interval(x).log1p(), mpmath.log1p(exact)),
            (Interval(-x / 10**8).exp(), mpmath.exp(-exact / 10**8)),
            (Interval(x / 10**8).expm1(), mpmath.expm1(exact / 10**8)),
        )
    for ours, theirs in pairs:
        assert ours.contains(Fraction(*_ratio(theirs)))
        assert (ours.hi - ours.lo) <= abs(ours.midpoint()) * 2.0 ** (8 - PRECISION)


def _ratio(x):
    sign, mantissa, exponent, _ = x._mpf_
    numerator = (-1) ** sign * int(mantissa)
    return (numerator << exponent, 1) if exponent >= 0 else (numerator, 1 << -exponent)


def test_float_of_an_end_rounds_outward():
    tenth = Interval(Fraction(1, 10))
    assert Fraction(float(tenth.lo)) <= Fraction(1, 10) <= Fraction(float(tenth.hi))
    assert float(tenth.hi) == math.nextafter(float(tenth.lo), 1)
    third = Interval(Fraction(-1, 3))
    assert Fraction(float(third.lo)) < Fraction(-1, 3) < Fraction(float(third.hi))


def test_extreme_magnitudes_are_ordinary_values():
    huge, tiny = Interval(10) ** 5000, Interval(10) ** -5000
    assert huge.log10().contains(5000)
    assert tiny.log10().contains(-5000)
    assert float(huge.lo) == np.finfo(float).max
    assert float(huge.hi) == math.inf
    assert float(tiny.lo) == 0.0
    assert float(tiny.hi) > 0.0
    assert (huge * tiny).contains(1)
    assert Interval.hull(tiny, huge).lo > 0


def test_comparisons_are_certain():
    assert Interval(1, 2) < Interval(3, 4)
    assert not Interval(1, 3) < Interval(2, 4)
    assert not Interval(1, 3) >= Interval(2, 4)
    assert not Interval(0, 1) < 1
    assert Interval(0, 1) <= 1


def test_infinities_do_not_become_nan():
    line = Interval(-math.inf, math.inf)
    assert (line - line) == Interval.whole()
    assert Interval(0) * line == Interval(0)
    assert Interval(1) / Interval(0, 1) == Interval(1, math.inf)
    assert Interval(0).log() == Interval(-math.inf)
    assert (Interval(1) / Interval(math.inf)) == Interval(0)
    with pytest.raises(ValueError, match="received nan"):
        Interval(math.nan)
    with pytest.raises(ValueError, match="lo <= hi"):
        Interval(2, 1)
    with pytest.raises(ArithmeticError, match="square root"):
        Interval(-2, -1).sqrt()


def test_a_count_survives_a_division_and_a_multiplication():
    for errors, n in ((1000, 50_000), (1, 3), (59_999, 60_000), (7, 97)):
        assert (Interval(errors) / n * n).integers() == (errors, errors)
    assert Interval(Fraction(5, 2)).integers() == (2, 3)


@given(rationals, rationals)
def test_dump_and_load_are_inverse(a, b):
    x = Interval.hull(a, b) / 3
    assert Interval.load(x.dump()) == x
    assert Interval.load(Interval.whole().dump()) == Interval.whole()


def test_an_even_power_takes_the_larger_of_two_overlapping_ends():
    a = 272996653310673477252411125948039410165
    assert (Interval(-a, a + 1) ** 2).contains(Fraction(a + 1) ** 2)
