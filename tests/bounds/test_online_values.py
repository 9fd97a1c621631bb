"""Mistakes on the way: the example of three points in rational numbers, check values, and the theorems by brute force."""

import random
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from boundcheck_bounds import online
from check_values import BOUNDS, agrees, at
from exact_ridge import (
    GRAM,
    SIGNS,
    is_mistake,
    left_out_residuals,
    norm_squared,
    one_hot,
    prefix_residuals,
    removal_norms_squared,
)

from boundcheck import Interval
from boundcheck.extension import enclose
from boundcheck.solving.exact import solve
from boundcheck.solving.kernels import Inner
from boundcheck.solving.problem import Problem

TENTH = Fraction(1, 10)


def rounded(values):
    return [float(row[0]) for row in values]


@pytest.mark.parametrize(
    ("mu", "progressive", "left_out", "printed"),
    [
        (
            0,
            (1, Fraction(-3, 2), Fraction(3, 2)),
            (Fraction(3, 2), Fraction(-9, 5), Fraction(3, 2)),
            "7.000000000",
        ),
        (TENTH, (1, -1.454545455, 1.416666667), (1.416666667, -1.740740741, 1.416666667), "5.634517766"),
    ],
)
def test_three_points_by_hand(mu, progressive, left_out, printed):
    assert rounded(prefix_residuals(GRAM, SIGNS, mu)) == pytest.approx(
        [float(r) for r in progressive], abs=6e-10
    )
    assert rounded(left_out_residuals(GRAM, SIGNS, mu)) == pytest.approx(
        [float(r) for r in left_out], abs=6e-10
    )
    assert agrees(Interval(norm_squared(GRAM, SIGNS, mu)), printed)


def test_what_removing_a_point_changes_in_the_hilbert_space():
    printed = ("1.40905493", "1.851399439", "1.40905493")
    for change, number in zip(removal_norms_squared(GRAM, SIGNS, TENTH), printed, strict=True):
        assert agrees(Interval(change).sqrt(), number)


def test_mistakes_of_two_signs_are_at_most_the_norm():
    mistakes = [y * (y - r) <= 0 for (y,), (r,) in zip(SIGNS, prefix_residuals(GRAM, SIGNS), strict=True)]
    assert sum(mistakes) == 3
    assert norm_squared(GRAM, SIGNS) == 7
    assert agrees((1 + Interval(TENTH)) * norm_squared(GRAM, SIGNS, TENTH), "6.197969543")


@pytest.mark.parametrize(
    ("norm", "signs", "classes"), [(220, "0.8066666667", "1.613333333"), (390, "2.535000000", "5.070000000")]
)
def test_the_norms_that_were_reported(norm, signs, classes):
    per_example = Fraction(norm**2, 60_000)
    assert agrees(Interval(per_example), signs)
    bound = at("liang2023-mistakes", n=60_000, delta="1/20", N=per_example, kappa=1, mu=0)
    deviation = at("cesabianchi2004-progressive", n=60_000, delta="1/20", M=0)
    assert agrees(bound - deviation, classes)


@pytest.mark.parametrize("identifier", ["cesabianchi2004-progressive", "cesabianchi2004-progressive-late"])
def test_check_value(identifier):
    assert agrees(at(identifier, n=60_000, delta="1/20", M=Fraction(1800, 60_000)), "0.03499644230")
    assert agrees(at(identifier, n=3, delta="1/20", M=1), "1.706603646")


def test_the_sharper_form_at_one_rate():
    n, mistakes, delta = 60_000, 1800, sympy.Rational(1, 20)
    numbers = {online.n: n, online.M: sympy.Rational(mistakes, n), online.delta: delta}
    value = online.exponential_at(sympy.Rational(6, 100), 1).xreplace(numbers)
    assert agrees(enclose(value, {}), "0.03173699673")


@pytest.mark.parametrize("mistakes", [0, 3, 40, 500, 1000])
def test_the_best_of_five_rates_is_the_least(mistakes):
    n, delta = 1000, sympy.Rational(1, 20)
    value = at("cesabianchi2004-progressive-exponential", n=n, delta="1/20", M=Fraction(mistakes, n))
    by_hand = min(
        sympy.N((1 - sympy.exp(-c * mistakes / n - sympy.log(5 / delta) / n)) / (1 - sympy.exp(-c)), 30)
        for c in map(sympy.Rational, ("1/64", "1/16", "1/4", "1", "4"))
    )
    assert abs(float(value.midpoint()) - float(by_hand)) < 1e-14
    assert value >= Fraction(mistakes, n)


def test_the_sharper_form_wins_for_few_mistakes_and_loses_for_many():
    def both(fraction):
        return (
            at(f"cesabianchi2004-progressive{form}", n=10_000, delta="1/20", M=fraction)
            for form in ("-exponential", "")
        )

    few, azuma = both(Fraction(1, 1000))
    assert few < azuma
    many, azuma = both(Fraction(1, 2))
    assert azuma < many


def sample(seed, n, k, d):
    """Rational features, and their Gram matrix."""
    draw = random.Random(seed)
    rows = [[Fraction(draw.randint(-8, 8), 8) for _ in range(d)] for _ in range(n)]
    gram = [[sum(a * b for a, b in zip(u, v, strict=True)) for v in rows] for u in rows]
    return rows, gram, [draw.randrange(k) for _ in range(n)]


@pytest.mark.parametrize("seed", range(12))
def test_mistakes_of_classes_are_at_most_twice_the_norm(seed):
    n, k = 7, 2 + seed % 3
    mu = Fraction(1, 4) if seed % 2 else Fraction(1, 1000)
    _, gram, labels = sample(seed, n, k, 3)
    targets = one_hot(labels, k)
    left = prefix_residuals(gram, targets, mu)
    mistakes = sum(is_mistake(y, r) for y, r in zip(targets, left, strict=True))
    kappa_squared = max(gram[i][i] for i in range(n))
    assert 1 <= mistakes <= 2 * (kappa_squared + mu) * norm_squared(gram, targets, mu)


@pytest.mark.parametrize("seed", range(4))
def test_plain_and_centred_labels_are_predicted_alike(seed):
    _, gram, labels = sample(seed, 6, 3, 2)
    mu = Fraction(1, 8)
    answers = []
    for centred in (False, True):
        targets = one_hot(labels, 3, centred)
        left = prefix_residuals(gram, targets, mu)
        outputs = [[y - r for y, r in zip(Y, R, strict=True)] for Y, R in zip(targets, left, strict=True)]
        answers.append([[f - row[0] for f in row] for row in outputs])
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("seed", "mu"), [(0, Fraction(1, 8)), (1, Fraction(1, 8)), (2, Fraction(2)), (3, Fraction(0))]
)
def test_the_solver_tells_what_brute_force_tells(seed, mu):
    """Every predictor on a prefix, and every one with an example left out, solved for in rational numbers."""
    n, k = 8, 3
    rows, gram, labels = sample(seed, n, k, 3 if mu else 9)
    targets = one_hot(labels, k)
    with jax.enable_x64(True):
        features = jnp.asarray(np.array(rows, float))
        problem = Problem(
            gram=Inner(features, lambda x: jnp.asarray(x, jnp.float64)),
            shift=float(mu),
            labels=[np.array(labels)],
            classes=k,
            tests=np.array(rows[:2], float),
            test_labels=[np.array(labels[:2])],
            kernel_bound=None,
            features_fixed=True,
        )
        solution = solve(problem)[0].solution
    progressive, left_out = prefix_residuals(gram, targets, mu), left_out_residuals(gram, targets, mu)
    assert solution.norm_squared.contains(norm_squared(gram, targets, mu))
    for stored, exact in ((solution.progressive, progressive), (solution.loo, left_out)):
        assert np.allclose(stored, np.array(exact, float), atol=1e-9)
    mistakes = [is_mistake(y, r) for y, r in zip(targets, progressive, strict=True)]
    assert solution.mistakes.contains(sum(mistakes))
    assert solution.late_mistakes.contains(sum(mistakes[n // 2 :]))
    assert solution.loo_errors.contains(sum(map(is_mistake, targets, left_out)))


@pytest.mark.parametrize(
    "identifier", ["cesabianchi2004-progressive", "cesabianchi2004-progressive-exponential"]
)
def test_the_martingale_step_holds_against_an_adversary(identifier):
    """Risk 1/2 until the average risk is above the bound, and 0 from then on: the last chance to fail is kept."""
    n, delta, repeats = 60, Fraction(1, 10), 400
    rng = np.random.default_rng(7)
    whole = np.array([float(at(identifier, n=n, delta=delta, M=Fraction(m, n)).hi) for m in range(n + 1)])
    half = (whole + np.arange(n + 1) / n) / 2

    def failures(bound):
        mistakes = np.cumsum(rng.random((repeats, n)) < 0.5, axis=1)
        return np.count_nonzero((np.arange(1, n + 1) / (2 * n) > bound[mistakes]).any(axis=1))

    assert failures(whole) <= float(delta) * repeats
    # Half of what it adds to the fraction of mistakes would not do.
    assert failures(half) > float(delta) * repeats


def noisy_world(rng, n):
    """Ridge regression on six orthogonal-ish points whose labels are noisy: risks of all prefixes, and mistakes."""
    atoms, k, mu = ATOMS, 3, 1.0
    which = rng.integers(0, len(atoms), n)
    labels = np.where(rng.random(n) < 0.7, which % k, rng.integers(0, k, n))
    law = np.full((len(atoms), k), 0.1)
    law[np.arange(len(atoms)), np.arange(len(atoms)) % k] = 0.8
    V = np.eye(k)[labels] - 1 / k
    risks, mistakes = [], 0
    for t in range(n):
        phi = atoms[which[:t]]
        outputs = atoms @ phi.T @ np.linalg.solve(phi @ phi.T + mu * np.eye(t), V[:t])
        top = outputs >= outputs.max(axis=1, keepdims=True) - 1e-12
        right = top & (top.sum(axis=1, keepdims=True) == 1)
        risks.append(1 - (law * right).sum() / len(atoms))
        mistakes += not right[which[t], labels[t]]
    return np.mean(risks), mistakes


ATOMS = np.random.default_rng(3).normal(size=(6, 4))


def test_mistakes_are_an_unbiased_count_and_the_bounds_hold():
    """Labels are right with probability 0.8, so that the exact risk of every prefix is known."""
    n, repeats, delta = 30, 400, Fraction(1, 10)
    rng = np.random.default_rng(5)
    risks, mistakes = map(np.array, zip(*(noisy_world(rng, n) for _ in range(repeats)), strict=True))
    gaps = mistakes / n - risks
    assert abs(gaps.mean()) < 4 * gaps.std() / np.sqrt(repeats) < 0.03
    for form in ("", "-exponential"):
        values = np.array(
            [
                float(at(f"cesabianchi2004-progressive{form}", n=n, delta=delta, M=Fraction(m, n)).hi)
                for m in range(n + 1)
            ]
        )
        assert np.count_nonzero(values[mistakes] < risks) <= float(delta) * repeats


def test_all_four_speak_of_prefix_predictors():
    objects = {b.id: b.object for b in BOUNDS.values() if b.id.startswith(("cesabianchi", "liang"))}
    assert objects == {
        "cesabianchi2004-progressive": "online-avg",
        "cesabianchi2004-progressive-exponential": "online-avg",
        "cesabianchi2004-progressive-late": "online-late",
        "cesabianchi2004-progressive-exponential-late": "online-late",
        "liang2023-mistakes": "online-avg",
    }
