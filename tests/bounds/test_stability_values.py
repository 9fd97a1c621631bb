"""Check values of the stability bounds, the stability of ridge regression by brute force, and how often the bounds fail."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from check_values import BOUNDS, agrees, at

from boundcheck import Interval
from boundcheck import quantities as q
from boundcheck.solving.solution import Solution

FIRST = {"n": 50_000, "delta": "1/20"}
SECOND = {"n": 50_000, "delta": "1/100"}

CASES = [
    ("bousquet2002-stability", FIRST, {"R": 0}, "1/100000", "0.01643998492"),
    ("bousquet2002-stability", FIRST, {"R": "1/20"}, "1/1000", "1.152138989"),
    ("bousquet2002-stability", FIRST, {"R": "1/20"}, "sqrt(2)*22/1000/(1/2)", "68.29592918"),
    ("bousquet2002-stability", FIRST, {"R": "1/20"}, "sqrt(2)*2/50000", "0.1175101064"),
    ("bousquet2002-stability-left-out", FIRST, {"R": "1/10"}, "1/100000", "0.1164299849"),
    ("bousquet2002-stability-left-out", FIRST, {"R": "1/10"}, "1/1000", "1.201138989"),
    ("mohri2018-stability", FIRST, {"R": 0}, "2/100000", "0.01643998492"),
    ("mohri2018-stability", FIRST, {"R": "1/20"}, "1", "548.3883038"),
    ("bousquet2020-stability", FIRST, {"R": 0}, "1/100000", "0.1284054959"),
    ("bousquet2020-stability", SECOND, {"R": 0}, "1/10000", "0.7843581501"),
    ("feldman2018-stability", FIRST, {"R": 0}, "1/100000", "0.1139844067"),
    ("feldman2018-stability", SECOND, {"R": 0}, "1/10000", "0.3067887435"),
]


def stable(identifier, stability, n, **numbers):
    """A bound at a stability beta or gamma; the statements count it in units of 1/n."""
    name = "b" if identifier.startswith("bousquet2002") else "g"
    return at(identifier, n=n, **numbers, **{name: f"{n}*({stability})"})


@pytest.mark.parametrize(("identifier", "sample", "risk", "stability", "printed"), CASES)
def test_check_value(identifier, sample, risk, stability, printed):
    assert agrees(stable(identifier, stability, **sample, **risk), printed)


DESCENT = [
    ("hardt2016-descent", {"L": 1, "sa": 100}, "0.004000000000"),
    ("hardt2016-descent", {"L": 2, "sa": 50}, "0.008000000000"),
    ("hardt2016-descent-strongly-convex", {"L": 1, "m": "1/10"}, "0.0004000000000"),
    ("hardt2016-descent-strongly-convex", {"L": 2, "m": "1/100"}, "0.01600000000"),
    ("hardt2016-descent-nonconvex", {"L": 1, "B": 10, "c": "1/10", "T": 100_000}, "0.005656967389"),
    ("hardt2016-descent-nonconvex", {"L": 10, "B": 100, "c": "1/10", "T": 100_000}, "1.014288185"),
]


@pytest.mark.parametrize(("identifier", "numbers", "printed"), DESCENT)
def test_check_value_of_the_gap(identifier, numbers, printed):
    """The bound on the error is (C + gap)/ln 2."""
    error = at(identifier, n=50_000, C=0, **numbers)
    assert agrees(error * Interval(2).log(), printed)
    more = at(identifier, n=50_000, C="1/10", **numbers)
    assert abs((more - error) * Interval(2).log() - Interval(Fraction(1, 10))).hi < 1e-20


def test_removal_is_twice_replacement():
    """A learner whose removal stability is beta has replacement stability 2 beta, and then the two bounds agree."""
    for beta in ("1/100000", "1/500", "1/10"):
        numbers = {"n": 1000, "delta": "1/20", "R": "1/10"}
        removal = stable("bousquet2002-stability", beta, **numbers)
        assert abs(removal - stable("mohri2018-stability", f"2*{beta}", **numbers)).hi < 1e-20


def test_what_is_not_confirmed_says_so():
    assert BOUNDS["feldman2018-stability"].guarantee == "unconfirmed"
    assert {BOUNDS[i].guarantee for i, _, _ in DESCENT} == {"EXP"}


# The stability of ridge regression ----------------------------------------------------------------------------


def solution_of(**known):
    """A solution of which nothing is known but what is given."""
    nothing = {
        "shift": Interval(0),
        "residual": Interval(0),
        "diagonal": Interval(1),
        "stored_norm_squared": Interval(1),
    }
    return Solution(method="hand", features_fixed=True, **(nothing | known))


def stability(classes, **known):
    """n times the two constants, as intervals."""
    study = SimpleNamespace(run=SimpleNamespace(solution=solution_of(**known), classes=classes))
    study.measure = lambda measurement: measurement.measure(study)
    return study.measure(q.removal_stability).value, study.measure(q.replacement_stability).value


@pytest.mark.parametrize(
    ("ridge", "label", "printed"),
    # Ten classes: centred labels have norm sqrt(0.9), one-hot labels 1.
    [(Fraction(1, 100), 1, "0.02200000000"), (Fraction(1), Fraction(9, 10), "0.00003794733192")],
)
def test_how_far_outputs_move_in_closed_form(ridge, label, printed):
    beta, gamma = stability(10, size=50_000, ridge=Interval(ridge), kernel_bound=Interval(1))
    moved = Interval(beta.hi) / 50_000 / Interval(2).sqrt() * (Interval(label) / Fraction(9, 10)).sqrt()
    assert agrees(moved, printed)
    assert beta.lo == 0
    assert abs(Interval(gamma.hi) - 2 * Interval(beta.hi)).hi < 1e-20


def test_stability_without_a_ridge_or_a_bounded_kernel_is_at_most_one():
    for known in (
        {"ridge": Interval(0), "kernel_bound": Interval(1)},
        {"ridge": Interval(1), "kernel_bound": None},
    ):
        beta, gamma = stability(3, size=100, observed_removal=Interval(Fraction(1, 4)), **known)
        assert beta == Interval(25, 100)
        assert gamma == Interval(0, 100)


def test_replacing_is_at_least_removing_for_interpolants_alone():
    seen = {"size": 100, "kernel_bound": Interval(1), "observed_removal": Interval(Fraction(1, 4))}
    known = {"ridge": Interval(0), "eigenvalue": Interval(Fraction(1, 10))}
    assert stability(3, **seen, **known)[1] == Interval(25, 100)
    assert stability(3, **seen, **(known | {"eigenvalue": None}))[1].lo == 0
    assert stability(3, **seen, **(known | {"ridge": Interval(1)}))[1].lo == 0


def test_an_interpolant_does_not_see_a_copy_of_an_example():
    """The least-norm solution with one example replaced by a copy of another is the one without it; with a ridge it is not."""
    rng = np.random.default_rng(3)
    x, v = rng.normal(size=(6, 8)), centred(rng.integers(0, 3, 6), 3)
    copied = np.array([1, 1, 2, 3, 4, 5])
    for ridge, same in ((0.0, True), (0.1, False)):
        shift = 6 * ridge
        less = x[1:].T @ np.linalg.pinv(x[1:] @ x[1:].T + shift * np.eye(5)) @ v[1:]
        replaced = x[copied].T @ np.linalg.pinv(x[copied] @ x[copied].T + shift * np.eye(6)) @ v[copied]
        assert np.allclose(less, replaced, atol=1e-9) == same


def outputs(kernel, labels, shift):
    """Coefficients of ridge regression, for the indices that are kept."""
    return np.linalg.solve(kernel + shift * np.eye(len(kernel)), labels)


def centred(labels, k):
    return np.eye(k)[labels] - 1 / k


def moved(x, labels, k, ridge, i):
    """The spectral norm of the change of the k weight vectors when example i is removed: inputs may have norm 1."""
    n, v, kept = len(x), centred(labels, k), np.arange(len(x)) != i
    whole = outputs(x @ x.T, v, ridge * n)
    less = outputs(x[kept] @ x[kept].T, v[kept], ridge * n)
    return np.linalg.norm(whole.T @ x - less.T @ x[kept], 2)


def closed_form(n, k, ridge):
    """How far outputs move at most, recovered from the quantity where that is not cut off at 1."""
    bound, _ = stability(k, size=n, ridge=Interval(ridge), kernel_bound=Interval(1))
    most = np.sqrt(1 - 1 / k) * (1 + 1 / np.sqrt(ridge)) / (ridge * n)
    assert float(bound.hi) / n == pytest.approx(min(1, np.sqrt(2) * most))
    return most


@pytest.mark.parametrize("ridge", [0.01, 0.3, 3.0])
def test_no_example_removed_moves_an_output_by_more_and_some_come_close(ridge):
    """Random and repeated inputs in the unit ball; and many of norm sqrt(lambda) and one label, against a single one of norm 1."""
    rng = np.random.default_rng(5)
    worst = 0.0
    for trial in range(60):
        n, k, d = int(rng.integers(2, 9)), int(rng.integers(2, 4)), int(rng.integers(1, 4))
        x = rng.normal(size=(n, d))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        if trial % 3 == 0:
            x[:] = x[0]
        labels = rng.integers(0, k, n)
        worst = max(worst, *(moved(x, labels, k, ridge, i) / closed_form(n, k, ridge) for i in range(n)))
    x, labels = np.full((400, 1), np.sqrt(min(ridge, 1))), np.zeros(400, int)
    x[-1], labels[-1] = 1, 1
    worst = max(worst, moved(x, labels, 2, ridge, 399) / closed_form(400, 2, ridge))
    assert 0.2 < worst <= 1 + 1e-9


EXAMPLE = [
    [Fraction(1), Fraction(1, 2), Fraction(1, 4)],
    [Fraction(1, 2), Fraction(1), Fraction(1, 2)],
    [Fraction(1, 4), Fraction(1, 2), Fraction(1)],
]
SIGNS = [Fraction(1), Fraction(-1), Fraction(1)]


def solved(matrix, right):
    """The exact solution of a small system, by elimination."""
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for i in range(len(rows)):
        pivot = next(r for r in range(i, len(rows)) if rows[r][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for r in range(len(rows)):
            if r != i:
                rows[r] = [x - rows[r][i] * y for x, y in zip(rows[r], rows[i], strict=True)]
    return [row[-1] for row in rows]


def shifted(matrix, shift):
    return [[x + (shift if i == j else 0) for j, x in enumerate(row)] for i, row in enumerate(matrix)]


@pytest.mark.parametrize(
    ("shift", "residuals", "moves"),
    [
        (Fraction(0), ("1.5", "-1.8", "1.5"), None),
        (
            Fraction(1, 10),
            ("1.416666667", "-1.740740741", "1.416666667"),
            ("1.40905493", "1.851399439", "1.40905493"),
        ),
    ],
)
def test_left_out_residuals_by_solving_without_each_example(shift, residuals, moves):
    """In rational arithmetic, against alpha_i / G_ii and |r_i| sqrt(G_ii - mu (G^2)_ii)."""
    matrix = shifted(EXAMPLE, shift)
    alpha = solved(matrix, SIGNS)
    inverse = [solved(matrix, [Fraction(i == j) for j in range(3)]) for i in range(3)]
    for i in range(3):
        kept = [j for j in range(3) if j != i]
        less = solved([[matrix[a][b] for b in kept] for a in kept], [SIGNS[a] for a in kept])
        residual = SIGNS[i] - sum(c * EXAMPLE[i][j] for c, j in zip(less, kept, strict=True))
        assert agrees(Interval(residual), residuals[i])
        assert residual == alpha[i] / inverse[i][i]
        change = [alpha[j] - (less[kept.index(j)] if j != i else 0) for j in range(3)]
        squared = sum(change[a] * EXAMPLE[a][b] * change[b] for a in range(3) for b in range(3))
        assert squared == residual**2 * (inverse[i][i] - shift * sum(g * g for g in inverse[i]))
        if moves is not None:
            assert agrees(Interval(squared).sqrt(), moves[i])


# How often the bounds fail ------------------------------------------------------------------------------------


def ramp(margins):
    return np.clip(1 - margins, 0, 1)


def margins_of(f, labels):
    own = f[np.arange(len(f)), labels]
    others = np.where(np.eye(f.shape[1], dtype=bool)[labels], -np.inf, f)
    return own - others.max(axis=1)


def test_bounds_hold_over_many_samples_of_a_small_world():
    """Six inputs on a circle, noisy labels of three classes: the true ramp risk is a finite sum. Not one bound may fail
    more often than delta allows, and the mean gap must lie within the stability, which it would not with a smaller one.
    """
    rng = np.random.default_rng(11)
    n, k, ridge, delta = 30, 3, 0.5, 0.5
    angles = np.arange(6) * np.pi / 3
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    law = 0.15 + 0.55 * np.eye(k)[np.arange(6) // 2]
    law /= law.sum(axis=1, keepdims=True)
    kernel = np.exp(points @ points.T - 1)  # 1 on the diagonal
    beta, _ = stability(k, size=n, ridge=Interval(ridge), kernel_bound=Interval(1))
    most = Fraction(float(beta.hi))
    failures, gaps = dict.fromkeys(("first", "left out", "replacement", "moments"), 0), []
    for _ in range(150):
        x = rng.integers(0, 6, n)
        y = np.array([rng.choice(k, p=law[i]) for i in x])
        inverse = np.linalg.inv(kernel[np.ix_(x, x)] + ridge * n * np.eye(n))
        alpha = inverse @ centred(y, k)
        f = kernel[:, x] @ alpha
        true = (
            sum(law[i, c] * ramp(margins_of(f[[i]], np.array([c])))[0] for i in range(6) for c in range(k))
            / 6
        )
        seen = ramp(margins_of(f[x], y)).mean()
        left = ramp(margins_of(centred(y, k) - alpha / np.diag(inverse)[:, None], y)).mean()
        gaps.append(true - seen)
        numbers = {"n": n, "delta": Fraction(delta)}
        values = {
            "first": at("bousquet2002-stability", **numbers, R=Fraction(seen), b=most),
            "left out": at("bousquet2002-stability-left-out", **numbers, R=Fraction(left), b=most),
            "replacement": at("mohri2018-stability", **numbers, R=Fraction(seen), g=2 * most),
            "moments": at("bousquet2020-stability", **numbers, R=Fraction(seen), g=2 * most),
        }
        for name, value in values.items():
            failures[name] += value < true
    assert max(failures.values()) <= delta * len(gaps)
    assert 0 < np.mean(gaps) <= 2 * float(most) / n
