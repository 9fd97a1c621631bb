"""The natural interval extension of SymPy expressions."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from boundcheck import Interval
from boundcheck.extension import Extension, enclose, enclose_slack
from boundcheck.functions import BinomialInverse

x, y, n, L = sympy.symbols("x y n L", positive=True)
i, j = sympy.symbols("i j", integer=True)
F = sympy.IndexedBase("F")

EXPRESSIONS = [
    x + y * 3 - sympy.Rational(1, 7),
    sympy.sqrt(x) / y + x ** sympy.Rational(2, 3),
    sympy.log(x + 1) * sympy.exp(-y),
    sympy.Min(x, y) + sympy.Max(x * y, 2),
    sympy.Abs(x - y) ** 3,
    sympy.E * x**-2 + sympy.exp(1),
    sympy.Piecewise((x, x < y), (y**2, True)),
]


@given(
    st.sampled_from(EXPRESSIONS),
    st.floats(0.1, 9.0, allow_nan=False),
    st.floats(0.1, 9.0, allow_nan=False),
    st.floats(0.0, 2.0, allow_nan=False),
)
def test_contains_the_value_at_every_point(expression, a, b, width):
    """Against SymPy's own 60-digit evaluation at points of the box; what 60 digits hold exactly lies inside exactly."""
    box = {x: Interval(a, a + width), y: Interval(b, b + width)}
    value = enclose(expression, box)
    for u in (a, a + width):
        for v in (b, b + width):
            exact = expression.subs({x: sympy.Rational(u), y: sympy.Rational(v)}).evalf(60)
            assert value.contains(Fraction(str(sympy.Rational(exact))))


def test_sums_and_products_run_over_families_from_one():
    family = (Interval(2), Interval(3), Interval(5))
    values = {F: family, L: Interval(3)}
    assert enclose(sympy.Sum(F[i], (i, 1, L)), values).contains(10)
    assert enclose(sympy.Product(F[i], (i, 1, L - 1)), values).contains(6)
    assert enclose(sympy.Product(F[i], (i, 1, L - 3)), values).contains(1)
    nested = sympy.Sum(F[i] * sympy.Product(F[j], (j, i + 1, L)), (i, 1, L))
    assert enclose(nested, values).contains(2 * 15 + 3 * 5 + 5)
    with pytest.raises(IndexError, match="entries 1 to 3"):
        enclose(F[4], values)


def test_an_undecided_condition_takes_both_branches():
    step = sympy.Piecewise((sympy.Integer(1), x < 2), (sympy.Integer(5), True))
    assert enclose(step, {x: Interval(1)}) == Interval(1)
    assert enclose(step, {x: Interval(3)}) == Interval(5)
    assert enclose(step, {x: Interval(1, 3)}) == Interval(1, 5)


def test_moving_symbols_give_what_a_fresh_evaluation_gives():
    expression = sympy.Sum(F[i] * x, (i, 1, L)) / y + sympy.sqrt(x) * sympy.log(y)
    fixed = {F: (Interval(1, 2), Interval(3)), L: Interval(2), x: Interval(7, 8)}
    moving = Extension(expression, fixed, {y})
    for value in (Interval(1), Interval(2, 3), Interval(1)):
        assert moving({y: value}) == enclose(expression, fixed | {y: value})


def test_slack_is_computed_before_rounding():
    value = 1 - sympy.exp(-x)
    slack = enclose_slack(value, {x: Interval(10_000)})
    assert slack.log10().contains(Interval(-10_000) / Interval(10).log())
    tail = enclose_slack(BinomialInverse(0 * x, n, x), {x: Interval(10_000), n: Interval(10)})
    assert tail.log10().contains(Interval(-1000) / Interval(10).log())


def test_unknown_operations_and_missing_symbols_are_errors():
    with pytest.raises(TypeError, match="no interval extension"):
        enclose(sympy.sin(x), {x: Interval(1)})
    with pytest.raises(KeyError):
        enclose(x + y, {x: Interval(1)})


def test_dependency_never_loses_the_truth():
    rng = np.random.default_rng(0)
    expression = x * (1 - x) + x / (1 + x)
    for a in rng.uniform(0, 2, 50):
        low, high = Fraction(float(a)), Fraction(float(a) + 0.1)
        value = enclose(expression, {x: Interval(low, high)})
        for quarters in range(5):
            point = low + (high - low) * quarters / 4
            assert value.contains(point * (1 - point) + point / (1 + point))
