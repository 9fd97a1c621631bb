"""Norms of kernel predictors: margin bounds, the floor under them, and measures, against numbers computed by hand."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from check_values import BOUNDS, agrees, at
from exact_ridge import (
    CLASSES,
    GRAM,
    SIGNS,
    inner,
    inverse_trace,
    norm_squared,
    one_hot,
    product,
)

from boundcheck import Interval
from boundcheck.bound import exact_values
from boundcheck.quantities.predictor import benign_ranks
from boundcheck.registry import installed

MEASURES = installed().measures
COMMON = {"n": 50_000, "delta": "1/20", "gamma": 1, "t": 1}
STRATIFIED = {**COMMON, "kappa": 1}


def measure(identifier, **numbers):
    found = MEASURES[identifier]
    names = {str(s): s for s in found.symbols}
    return found.enclose(exact_values({names[key]: value for key, value in numbers.items()}))


@pytest.mark.parametrize(
    ("identifier", "numbers", "printed"),
    [
        ("maurer2016-kernel-stratified", {**STRATIFIED, "R": "1/20", "w": 10, "k": 10}, "0.9803574581"),
        ("maurer2016-kernel-stratified", {**STRATIFIED, "R": 0, "w": 2, "k": 10}, "0.1353464862"),
        ("koltchinskii2002-kernel-stratified", {**STRATIFIED, "R": "1/20", "w": 10}, "0.2183691288"),
        ("maurer2016-kernel-fine", {**COMMON, "R": "1/20", "w": 10, "k": 10}, "0.6711697904"),
        ("maurer2016-kernel-fine", {**COMMON, "R": 0, "w": 2, "k": 10}, "0.1469151740"),
        ("maurer2016-kernel-margin", {**COMMON, "R": "1/20", "w": 10, "k": 10}, "0.6339062688"),
        ("maurer2016-kernel-margin", {**COMMON, "R": 0, "w": 2, "k": 10}, "0.1313579288"),
        ("mohri2018-kernel-margin", {**COMMON, "R": "1/20", "w": 10}, "0.1576635630"),
        ("mohri2018-kernel-margin", {**COMMON, "n": 60_000, "R": 0, "w": 220}, "1.812925757"),
    ],
)
def test_check_value(identifier, numbers, printed):
    assert agrees(at(identifier, **numbers), printed)


@pytest.mark.parametrize(("R", "w", "printed"), [("1/20", 10, "1.844327710"), (0, 2, "0.3632442047")])
def test_the_form_linear_in_the_number_of_classes(R, w, printed):
    numbers = {"n": 50_000, "delta": "1/20", "gamma": 1, "kappa": 1, "k": 10}
    assert agrees(at("mohri2018-kernel-margin-classes", **numbers, R=R, w=w), printed)


@pytest.mark.parametrize("w", ["3/8", 1, "5/4", 2, "9/2", 10, 1000])
@pytest.mark.parametrize("kappa", ["1/2", 1, 3])
def test_the_grid_rounds_up_by_less_than_two_and_pays_for_its_index(w, kappa):
    numbers = {**COMMON, "kappa": kappa, "R": 0, "w": w, "k": 10}
    scale = float(Fraction(w)) * float(Fraction(kappa))
    index = next(j for j in range(60) if 2**j >= scale)
    price = 3 * math.sqrt((math.log(40) + math.log((index + 1) * (index + 2))) / 100_000)
    complexity = 4 * 2**index / float(Fraction(kappa)) * math.sqrt(10 / 50_000)
    value = at("maurer2016-kernel-stratified", **numbers)
    assert float(value.midpoint()) == pytest.approx(complexity + price, rel=1e-12)
    fixed = at("maurer2016-kernel-margin", **{key: v for key, v in numbers.items() if key != "kappa"})
    assert fixed < value


def test_features_that_know_the_training_inputs_break_the_bound():
    """The one feature is the label on the training inputs and its opposite elsewhere: norm 1, margins 1, true error 1."""
    value = at("mohri2018-kernel-margin", n=1000, delta="1/20", gamma=1, R=0, t=1, w=1)
    assert agrees(value, "0.192")
    assert value < 1


def test_norm_and_margin_count_by_their_quotient_alone():
    for identifier, others in (
        ("maurer2016-kernel-stratified", {"kappa": 1, "k": 7}),
        ("maurer2016-kernel-fine", {"k": 7}),
        ("koltchinskii2002-kernel-stratified", {"kappa": 1}),
    ):
        one, other = (
            at(identifier, **{**COMMON, **others, "R": "1/9", "w": w, "gamma": gamma})
            for w, gamma in ((3, "1/2"), (12, 2))
        )
        assert one.lo == other.lo
        assert one.hi == other.hi


def test_two_classes_halve_the_complexity():
    """The margin is a function of norm sqrt(2) |f|, where the general form multiplies by sqrt(k) = sqrt(2) as well as by 4."""
    numbers = {**COMMON, "R": 0}
    special = at("mohri2018-kernel-margin", **numbers, w="3*sqrt(2)")
    general = at("maurer2016-kernel-margin", **numbers, w=3, k=2)
    price = at("mohri2018-kernel-margin", **numbers, w="1/10**30")
    assert float((general - price).midpoint()) == pytest.approx(
        2 * float((special - price).midpoint()), rel=1e-9
    )


@pytest.mark.parametrize(
    ("B", "n", "low", "high"),
    [(10, 50_000, "0.03162277660", "0.04472135955"), (220, 60_000, None, "0.8981462390")],
)
def test_the_complexity_of_a_ball(B, n, low, high):
    upper = measure("bartlett2002-kernel-ball", w=B, t=1, n=n)
    assert agrees(upper, high)
    if low is not None:
        assert agrees(upper / Interval(2).sqrt(), low)


@pytest.mark.parametrize("seed", range(5))
def test_the_complexity_of_a_ball_against_all_signs(seed):
    rng = np.random.default_rng(seed)
    n, B = 8, 2.5
    phi = rng.normal(size=(n, 1 + seed))
    signs = np.array(list(itertools.product((-1, 1), repeat=n)))
    truth = B / n * np.linalg.norm(signs @ phi, axis=1).mean()
    trace = Fraction(float((phi**2).sum())) / n
    upper = float(measure("bartlett2002-kernel-ball", w="5/2", t=trace, n=n).midpoint())
    assert upper / math.sqrt(2) <= truth * (1 + 1e-9)
    assert truth <= upper * (1 + 1e-9)


def test_the_lower_end_is_reached_by_two_points_on_a_line():
    truth = np.abs([1 + 1, 1 - 1, -1 + 1, -1 - 1]).mean() / 2
    upper = measure("bartlett2002-kernel-ball", w=1, t=1, n=2)
    assert float(upper.midpoint()) / math.sqrt(2) == pytest.approx(truth)


# The floor ----------------------------------------------------------------------------------------------------------


def alignment(targets):
    return inner(targets, product(GRAM, targets))


def test_the_floor_on_three_points():
    assert alignment(SIGNS) == Fraction(3, 2)
    assert agrees(3 / Interval(alignment(SIGNS)).sqrt(), "2.449489743")
    assert agrees(Interval(norm_squared(GRAM, SIGNS)).sqrt(), "2.645751311")
    V = one_hot(CLASSES, 3)
    assert alignment(V) == Fraction(5, 3)
    assert agrees(3 * Interval(2) / (3 * Interval(alignment(V)).sqrt()), "1.549193338")
    floor = at("belkin2018-margin-floor", n=3, delta="1/20", k=3, t=1, S=Fraction(5, 9))
    price = Interval(3) * (Interval(40).log() / 6).sqrt()
    assert agrees(floor - price, "6.196773354")


def test_the_floor_for_random_labels_is_four_roots_of_k_less_one():
    value = at("belkin2018-margin-floor", n=10**40, delta="1/20", k=10, t=1, S="9/10")
    assert agrees(value, "12.00000000")


def test_vacuous_up_to_the_printed_alignment():
    numbers = {"n": 10**40, "delta": "1/20", "k": 10, "t": 1}
    assert at("belkin2018-margin-floor", **numbers, S="1296/10") >= 1
    assert at("belkin2018-margin-floor", **numbers, S="1297/10") < 1


@pytest.mark.parametrize("seed", range(6))
def test_no_predictor_with_that_margin_lies_below_the_floor(seed):
    """The interpolant, scaled to margin gamma, and the solution of the dual by projected gradient ascent."""
    rng = np.random.default_rng(seed)
    n, k = 9, 3
    phi = rng.normal(size=(n, 12))
    K, labels = phi @ phi.T, rng.integers(0, k, n)
    V = np.eye(k)[labels] - 1 / k
    alpha = np.linalg.solve(K, V)
    outputs = K @ alpha
    others = np.where(np.eye(k)[labels] == 1, -np.inf, outputs).max(axis=1)
    gamma = (outputs[np.arange(n), labels] - others).min()
    norm = math.sqrt(np.sum(alpha * outputs))
    assert gamma == pytest.approx(1)
    least = (k - 1) / k * gamma * n / math.sqrt(np.sum(V * (K @ V)))
    assert least <= norm * (1 + 1e-9)
    numbers = {"n": n, "delta": "1/20", "k": k}
    t, s = Fraction(np.trace(K) / n), Fraction(np.sum(V * (K @ V)) / n)
    bound = at("maurer2016-kernel-margin", **numbers, R=0, gamma=Fraction(gamma), t=t, w=Fraction(norm))
    assert at("belkin2018-margin-floor", **numbers, t=t, S=s) < bound


def test_the_floor_is_reached_by_two_orthogonal_points():
    """K = 1 and one example of each of two classes: the interpolant of V has norm 1 and margin 1."""
    V = one_hot((0, 1), 2)
    numbers = {"n": 2, "delta": "1/20", "k": 2, "t": 1}
    bound = at("maurer2016-kernel-margin", **numbers, R=0, gamma=1, w=inner(V, V))
    floor = at("belkin2018-margin-floor", **numbers, S=inner(V, V) / 2)
    assert float(floor.midpoint()) == pytest.approx(float(bound.midpoint()), rel=1e-15)


# Norms and ranks ----------------------------------------------------------------------------------------------------


def test_norms_of_the_interpolant_of_three_points():
    assert norm_squared(GRAM, SIGNS) == 7
    assert agrees(Interval(norm_squared(GRAM, one_hot(CLASSES, 3, centred=False))), "4.333333333")
    N = norm_squared(GRAM, one_hot(CLASSES, 3))
    assert agrees(Interval(N), "3.777777778")
    assert agrees(measure("zhang2017-interpolation-norm", n=3, N=N / 3) ** 2, "3.777777778")


def test_what_random_labels_need_on_average():
    ones = ((1,), (1,), (1,))
    assert agrees(Interval(inverse_trace(GRAM)), "4.333333333")
    assert agrees(Interval(norm_squared(GRAM, ones)), "1.666666667")
    labellings = list(itertools.product(range(3), repeat=3))

    def mean(centred):
        return sum(norm_squared(GRAM, one_hot(y, 3, centred)) for y in labellings) / 27

    assert agrees(Interval(mean(centred=False)), "3.444444444")
    assert agrees(Interval(mean(centred=True)), "2.888888889")
    signs = list(itertools.product((-1, 1), repeat=3))
    assert sum(norm_squared(GRAM, [(y,) for y in s]) for s in signs) / 8 == inverse_trace(GRAM)
    N = norm_squared(GRAM, one_hot(CLASSES, 3))
    contrast = measure("zhang2017-label-contrast", k=3, N=N / 3, T=inverse_trace(GRAM) / 3)
    assert contrast.contains(N / mean(centred=True))


def test_what_partly_random_labels_need_on_average():
    """Each label is replaced with probability 1/2 by a uniform one: all labellings, by their probabilities."""
    expected = sum(
        norm_squared(GRAM, one_hot(y, 3))
        * math.prod(Fraction(2, 3) if a == b else Fraction(1, 6) for a, b in zip(y, CLASSES, strict=True))
        for y in itertools.product(range(3), repeat=3)
    )
    N, random = norm_squared(GRAM, one_hot(CLASSES, 3)), Fraction(2, 3) * inverse_trace(GRAM)
    assert expected == N / 4 + random * 3 / 4
    assert agrees(Interval(expected), "3.111111111")


def ranks(values, k):
    tail = values[k:]
    return sum(tail) / tail[0], sum(tail) ** 2 / sum(v * v for v in tail)


def test_effective_ranks_of_the_harmonic_spectrum():
    values = [Fraction(1, i) for i in range(1, 1001)]
    for k, r, R in ((0, "7.485470861", "34.08424833"), (10, "50.12152867", "220.4780047")):
        exact = ranks(values, k)
        found = benign_ranks([Interval(v) for v in values], Interval(exact[0]) - Fraction(1, 10**9))
        assert found is not None
        assert found[0] == k
        for value, number, printed in zip(found[1:], exact, (r, R), strict=True):
            assert value.contains(number)
            assert agrees(value, printed)


def test_the_variance_proxy_of_the_harmonic_spectrum():
    found = benign_ranks([Interval(Fraction(1, i)) for i in range(1, 1001)], Interval(100))
    assert found is not None
    k, r, R = found
    assert k == 27
    assert agrees(r, "100.6323950")
    assert agrees(R, "365.2966498")
    assert agrees(Interval(k) / 100 + 100 / R, "0.5437501153")


def test_effective_ranks_of_the_geometric_spectrum():
    values = [Interval(Fraction(1, 2**i)) for i in range(60)]
    found = benign_ranks(values, Interval(1))
    assert found is not None
    assert found[0] == 0
    assert agrees(found[1], "2.000000000")
    assert agrees(found[2], "3.000000000")
    assert benign_ranks(values, Interval(3)) is None


def test_where_rounding_leaves_the_least_index_open_none_is_told():
    values = [Interval(1), Interval(1)]
    assert benign_ranks(values, Interval(Fraction(19, 10), Fraction(21, 10))) is None


@pytest.mark.parametrize("identifier", ["bartlett2020-effective-rank", "bartlett2020-effective-rank-squares"])
def test_a_rank_is_shown_inverted(identifier):
    assert measure(identifier, r=8).contains(Fraction(1, 8))


def test_comparators_certify_nothing():
    for identifier in (
        "maurer2016-kernel-margin",
        "mohri2018-kernel-margin",
        "mohri2018-kernel-margin-classes",
    ):
        assert BOUNDS[identifier].guarantee == "comparator"
    assert BOUNDS["belkin2018-margin-floor"].guarantee == "LOWER"
