"""Check values of the VC, Rademacher, Occam and test-set bounds, and the orders between them that are theorems."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import sympy
from boundcheck_bounds import growth
from check_values import BOUNDS, agrees, at
from hypothesis import given
from hypothesis import strategies as st

from boundcheck import Interval
from boundcheck.extension import enclose
from boundcheck.functions import HypergeometricMedianInverse, LogSauer
from boundcheck.quantities.capacity import Round
from boundcheck.quantities.dimension import largest_shattered


def sauer(m, d, K=1) -> Interval:
    return LogSauer.enclose(Interval(m), Interval(d), Interval(K))


@pytest.mark.parametrize(
    ("m", "d", "K", "printed"),
    [
        (120_000, 50, 1, "436.2747913"),
        (60_000, 50, 1, "401.6076372"),
        (2000, 10, 1, "60.88710901"),
        (5000, 10, 1, "70.06051885"),
        (300_000, 50, 1, "482.0952039"),
        (120_000, 50, 45, "626.6075082"),
        (2000, 5, 3, "38.70591346"),
    ],
)
def test_log_sauer_check_value(m, d, K, printed):
    assert agrees(sauer(m, d, K), printed)


@given(st.integers(0, 40), st.integers(0, 45), st.integers(1, 12))
def test_log_sauer_is_the_logarithm_of_the_sum(m, d, K):
    exact = Interval(sum(math.comb(m, i) * K**i for i in range(min(m, d) + 1))).log()
    assert sauer(m, d, K).contains(exact.midpoint())
    assert float(sauer(m, d, K).hi - sauer(m, d, K).lo) < 1e-20


def test_log_sauer_takes_the_ends_of_a_dimension():
    wide = LogSauer.enclose(Interval(1000), Interval(3, 30), Interval(1))
    assert wide.contains(sauer(1000, 3))
    assert wide.contains(sauer(1000, 30))
    assert LogSauer.enclose(Interval(100), Interval(3, math.inf), Interval(1)).contains(
        100 * Interval(2).log()
    )


def test_no_class_of_that_dimension_has_more_patterns():
    """Every class in {0,1}^4, by its own VC dimension."""
    points = list(itertools.product((0, 1), repeat=4))
    rng = np.random.default_rng(0)
    for _ in range(300):
        rows = {points[i] for i in rng.choice(16, rng.integers(1, 17), replace=False)}
        dimension = max(
            r
            for r in range(5)
            if any(
                len({tuple(row[i] for i in subset) for row in rows}) == 2**r
                for subset in itertools.combinations(range(4), r)
            )
        )
        assert math.log(len(rows)) <= float(sauer(4, dimension).hi) + 1e-12


def route(identifier, log_growth, **numbers) -> Interval:
    """A VC bound at ln Pi given as a number."""
    theorem = BOUNDS[identifier].theorem
    expression = theorem.value
    for name, part in theorem.where.items():
        if name != growth.Lam:
            expression = expression.subs(name, part)
    values = {growth.Lam: log_growth if isinstance(log_growth, Interval) else Interval(Fraction(log_growth))}
    for name in ("n", "E", "delta"):
        if name in numbers:
            values[getattr(growth, name)] = Interval(Fraction(numbers[name]))
    return enclose(expression, values)


N60 = {"n": 60_000, "delta": "1/100"}
N1 = {"n": 1000, "E": "1/50", "delta": "1/20"}


@pytest.mark.parametrize(
    ("identifier", "log_growth", "numbers", "printed"),
    [
        ("mohri2018-growth", "401.6076372", {**N60, "E": "1/50"}, "0.1418967339"),
        ("vapnik1998-additive", "436.2747913", {**N60, "E": "1/50"}, "0.1058718020"),
        ("vapnik1998-additive-serfling", "436.2747913", {**N60, "E": "1/50"}, "0.1058052118"),
        ("devroye1996-growth", "401.6076372", {**N60, "E": "1/50"}, "0.4866431893"),
        ("blumer1989-realizable", "436.2747913", N60, "0.02123517780"),
        ("vapnik1998-additive", "60.88710901", N1, "0.2764782489"),
        ("mohri2018-growth", sauer(1000, 10), N1, "0.3871474876"),
        ("blumer1989-realizable", "60.88710901", {"n": 1000, "delta": "1/20"}, "0.1863269166"),
        ("leboeuf2021-hypergeometric-median", "70.06051885", {**N1, "E": 0}, "0.07975"),
        ("leboeuf2021-hypergeometric-median", "70.06051885", N1, "0.13425"),
        ("leboeuf2021-hypergeometric-median", "482.0952039", {**N60, "E": "1/50"}, "0.04593333333"),
    ],
)
def test_route_check_value(identifier, log_growth, numbers, printed):
    assert agrees(route(identifier, log_growth, **numbers), printed)


MLP = {"T": (512, 512, 9), "V": (401_920, 664_576, 669_706), "D": (1, 2, 3), "L": 3, "d": 266_560}


@pytest.mark.parametrize(
    ("identifier", "printed"),
    [
        ("vapnik1998-additive", "1.177469094"),
        ("mohri2018-growth", "1.183604893"),
        ("blumer1989-realizable", "4.000254795"),
    ],
)
def test_saturated_class(identifier, printed):
    numbers = {"n": 60_000, "delta": "1/100", **MLP}
    if identifier != "blumer1989-realizable":
        numbers["E"] = 0
    assert agrees(at(identifier, **numbers), printed)


@given(st.integers(50, 3000), st.fractions(0, Fraction(9, 10), max_denominator=50), st.integers(1, 40))
def test_routes_are_ordered_as_proved(n, E, d):
    """The factor 2 costs at most a ghost example; the two-sided form is never below the Rademacher one."""
    K = int(E * n)
    numbers = {"n": n, "E": Fraction(K, n), "delta": "1/20"}
    small, big = sauer(n, d), sauer(5 * n, d)
    assert route("mohri2018-growth", small, **numbers) <= route("devroye1996-growth", small, **numbers)
    published = route("leboeuf2021-hypergeometric", big, **numbers)
    median = route("leboeuf2021-hypergeometric-median", big, **numbers)
    # Both are whole multiples of 1/(4n).
    assert median < published + Fraction(3, 8 * n)
    for value in (published, median):
        assert not value > 1
        assert not value < Fraction(K, n)


def test_the_median_form_saturates_as_derived():
    """Value 1 iff 2 Pi HypCDF(K; M, K + n' - 1, n) > delta, on every K of a small sample."""
    n, ghost = 6, 5
    M = n + ghost
    for K in range(n):
        tail = Fraction(
            (n - K + 1) * math.comb(K + ghost - 1, K) + (math.comb(K + ghost - 1, K - 1) if K else 0),
            math.comb(M, n),
        )
        at_threshold = -Interval(tail).log()
        for shift, saturated in ((Fraction(1, 10**6), True), (-Fraction(1, 10**6), False)):
            c = at_threshold + shift
            value = HypergeometricMedianInverse.enclose(Interval(K), Interval(n), Interval(ghost), c)
            assert bool(value >= 1) is saturated, (K, shift)


def test_failure_probability_of_the_median_form_on_one_classifier():
    """Exactly, over all counts of errors: at most delta for every true error."""
    n, ghost, delta = 12, 48, Fraction(1, 5)
    values = [
        HypergeometricMedianInverse.enclose(
            Interval(K), Interval(n), Interval(ghost), Interval(2 / delta).log()
        ).hi
        for K in range(n + 1)
    ]
    for R in (Fraction(j, 60) for j in range(1, 60)):
        failing = sum(
            math.comb(n, K) * R**K * (1 - R) ** (n - K)
            for K, v in enumerate(values)
            if Fraction(float(v)) < R
        )
        assert failing <= delta


@pytest.mark.parametrize(
    ("rounds", "printed"),
    [
        (((512, 401_920, 1), (512, 664_576, 2), (9, 669_706, 3)), 27_277_107),
        (((8640, 156, 1), (2560, 2572, 2), (120, 33_412, 3), (84, 43_576, 4), (9, 44_426, 5)), 1_932_918),
        (((8, 24, 1), (2, 51, 2)), 662),
    ],
)
def test_largest_shattered_set(rounds, printed):
    by_round = [Round(tests=t, parameters=v, degree=d) for t, v, d in rounds]
    assert largest_shattered(by_round) == printed
    closed = len(rounds) + sum(r.parameters for r in by_round) * math.log2(
        4 * math.e * (S := sum(r.tests * r.degree for r in by_round)) * math.log2(2 * math.e * S)
    )
    assert printed < closed


@pytest.mark.parametrize(
    ("E", "Disc", "n", "printed"),
    [(0, 1, 50_000, "1.020358421"), (0, "24/25", 50_000, "0.9803584213")],
)
def test_discrepancy_check_value(E, Disc, n, printed):
    assert agrees(at("bartlett2002-discrepancy", n=n, E=E, Disc=Disc, delta="1/100"), printed)


def test_natarajan_check_value_with_the_deviation_of_the_book():
    S = sauer(60_000, 50, 45)
    value = Fraction(1, 50) + (2 * S / 60_000).sqrt() + 3 * (Interval(200).log() / 120_000).sqrt()
    assert agrees(value, "0.1804024950")
    ours = at("haussler1995-natarajan", n=60_000, E="1/50", delta="1/100", k=10, d_N=50)
    assert agrees(ours, "0.1728579987")
    assert ours < value


def test_massart_at_saturation_is_capped():
    value = at("massart2000-growth", n=60_000, E=0, delta="1/100", **MLP)
    assert value.contains(1 + 2 * (Interval(100).log() / 120_000).sqrt())
    assert agrees((60_000 * Interval(2).log() / (2 * 60_000)).sqrt(), "0.5887050113")
    assert agrees((Interval(500) / 120_000).sqrt(), "0.06454972244")


def test_test_set_bounds_check_values_and_order():
    numbers = {"m": 10_000, "E": "1425/10000", "delta": "1/20"}
    exact, kl, hoeffding = (
        at(i, **numbers) for i in ("clopper1934-test-set", "chernoff1952-test-set", "hoeffding1963-test-set")
    )
    assert exact < kl < hoeffding
    assert agrees(kl, "0.1511984795")
    assert agrees(hoeffding, "0.1547387342")
    assert agrees(at("chernoff1952-test-set", m=10_000, E=0, delta="1/20"), "0.0002995283598")
    assert agrees(at("hoeffding1963-test-set", m=10_000, E=0, delta="1/20"), "0.01223873415")


def test_a_code_that_is_not_self_delimiting_pays_for_its_length():
    """1000 bytes: 5558.993955 nats without the confidence."""
    size = Interval(1000)
    bits = 8 * size + (size * (size + 1)).log() / Interval(2).log()
    assert agrees(bits * Interval(2).log(), "5558.993955")


def test_every_form_of_occam_has_its_three_codes():
    forms = [i for i in BOUNDS if "occam" in i or i.startswith("blumer1987")]
    assert len(forms) == 15
    for form in (i for i in forms if not i.endswith(("-quantized", "-file"))):
        assert BOUNDS[f"{form}-quantized"].object == "compressed"
        assert BOUNDS[f"{form}-file"].object == "det"
        assert BOUNDS[f"{form}-file"].theorem is BOUNDS[form].theorem
        assert sympy.Symbol("B", positive=True) in BOUNDS[f"{form}-file"].symbols
