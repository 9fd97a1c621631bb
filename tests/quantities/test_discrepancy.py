"""The maximum discrepancy between two halves, and what one training certifies of it."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from boundcheck import Interval, evaluate, load
from boundcheck.quantities import Study, discrepancy, paired_size, paired_train_error, retraining
from boundcheck.quantities.discrepancy import first_half, left_out, targets_of
from boundcheck.quantities.quantity import UnavailableError
from boundcheck.spec import RunSpec
from boundcheck.workflow import train


@pytest.mark.parametrize("n", [2, 7, 500, 1437])
def test_halves_are_equal_and_depend_on_the_number_of_examples_alone(n):
    first = first_half(n)
    assert first.sum() == n // 2
    assert np.array_equal(first, first_half(n))
    assert (left_out(n) is None) == (n % 2 == 0)
    assert left_out(n) is None or not first[left_out(n)]


def test_targets_are_wrong_on_the_first_half_and_right_on_the_second():
    labels = np.arange(10_000) % 10
    first, targets = targets_of(labels, 10)
    assert np.array_equal(targets == labels, ~first)
    assert np.bincount((targets - labels)[first] % 10, minlength=10)[1:].min() > 400


def test_discrepancy_is_one_minus_twice_the_smallest_miss_on_every_small_class():
    rng = np.random.default_rng(5)
    n, first = 6, first_half(6)
    for _ in range(200):
        vectors = rng.integers(0, 2, (rng.integers(1, 10), n))
        largest = max((2 / n) * (g[first].sum() - g[~first].sum()) for g in vectors)
        missed = min(np.count_nonzero(g != first) for g in vectors)
        assert largest == pytest.approx(1 - 2 * missed / n)


def test_coverage_on_three_points_by_full_enumeration():
    """E + Disc + 3 sqrt(ln(1/delta)/(2n)) fails with probability at most delta, over all samples of a small world."""
    rng = np.random.default_rng(8)
    n, first = 4, first_half(4)
    for _ in range(20):
        vectors = np.unique(rng.integers(0, 2, (4, 3)), axis=0)
        law = rng.dirichlet(np.ones(3))
        for delta in (0.3, 0.6, 0.9):
            deviation = 3 * np.sqrt(np.log(1 / delta) / (2 * n))
            failed = 0.0
            for points in itertools.product(range(3), repeat=n):
                on = vectors[:, points]
                disc = max((2 / n) * (g[first].sum() - g[~first].sum()) for g in on)
                values = on.mean(axis=1) + disc + deviation
                failed += np.prod(law[list(points)]) * bool(np.any(vectors @ law > values + 1e-12))
            assert failed <= delta


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    spec = RunSpec(
        name="halves",
        dataset="digits",
        model="mlp-2x256",
        recipe={"learning_rate": 0.1, "epochs": 2},
        rademacher={"draws": 1, "epochs": 3},
        seed=2,
        assume=["iid", "fixed-in-advance"],
    )
    folder = tmp_path_factory.mktemp("runs")
    train([spec], folder, lambda *_: None)
    return load(folder / spec.name)


def test_one_training_bounds_it_from_below_and_is_kept(run, monkeypatch):
    study = Study(run, Fraction(1, 20))
    found = study.measure(discrepancy)
    assert found.failure == 0
    assert found.value.hi == 1
    assert found.value.lo >= 0
    monkeypatch.setattr(retraining, "fit_all", lambda *_, **__: pytest.fail("trained again"))
    assert Study(run, Fraction(1, 20)).measure(discrepancy).value == found.value


def test_an_odd_number_of_examples_leaves_one_out(run):
    study = Study(run, Fraction(1, 20))
    margins = study.margins("train")
    assert margins.size == 1437
    assert study.measure(paired_size).value == Interval(1436)
    out = left_out(1437)
    assert out is not None
    kept = np.delete(margins.upper < 0, out)
    assert study.measure(paired_train_error).value.contains(Fraction(int(kept.sum()), 1436))


def test_without_a_budget_nothing_is_retrained(small_run):
    with pytest.raises(UnavailableError, match="records none"):
        Study(small_run, Fraction(1, 20)).measure(discrepancy)
    (outcome,) = evaluate(small_run, bounds=["bartlett2002-discrepancy"]).outcomes
    assert outcome.verdict == "not-applicable"
