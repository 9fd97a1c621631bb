"""Random signs and what training on them certifies."""

import itertools
from fractions import Fraction

import jax
import numpy as np
import pytest

from boundcheck import Interval, load, storage
from boundcheck.experiment import RunSpec
from boundcheck.quantities import retraining
from boundcheck.quantities.rademacher import (
    lower_end,
    missed_targets,
    rademacher_complexity,
    signs_and_targets,
)
from boundcheck.quantities.study import Study, silent
from boundcheck.training import DivergedError, Trained, fit
from boundcheck.workflow import train


def test_half_of_the_targets_stay_true_and_the_others_never_do():
    labels = np.arange(20_000) % 10
    plus, targets = signs_and_targets(labels, 10, seed=5, draw=0)
    assert np.array_equal(targets == labels, ~plus)
    assert abs(plus.mean() - 0.5) < 4 * 0.5 / np.sqrt(20_000)
    shifts = np.bincount((targets - labels)[plus] % 10, minlength=10)
    assert shifts[0] == 0
    assert np.all(np.abs(shifts[1:] - plus.sum() / 9) < 5 * np.sqrt(plus.sum() / 9))


def test_draws_differ_and_are_reproducible():
    labels = np.zeros(500, int)
    first, _ = signs_and_targets(labels, 3, seed=1, draw=0)
    again, _ = signs_and_targets(labels, 3, seed=1, draw=0)
    other, _ = signs_and_targets(labels, 3, seed=1, draw=1)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_identity_between_complexity_and_misses_on_every_small_class():
    """Rad = 1/2 - E min error, by enumeration of all signs for random classes in {0,1}^5."""
    rng = np.random.default_rng(2)
    signs = np.array(list(itertools.product((-1, 1), repeat=5)))
    for _ in range(20):
        vectors = rng.integers(0, 2, (rng.integers(1, 8), 5))
        rad = np.mean([(s @ vectors.T).max() / 5 for s in signs])
        bits = (signs + 1) // 2
        missed = np.mean([np.abs(vectors - b).sum(axis=1).min() / 5 for b in bits])
        assert abs(rad - (0.5 - missed)) < 1e-12


def test_coverage_of_the_lower_end_by_exact_enumeration():
    """For one draw over all 2^8 signs the claim fails no more often than delta."""
    rng = np.random.default_rng(4)
    signs = np.array(list(itertools.product((0, 1), repeat=8)))
    for _ in range(10):
        vectors = rng.integers(0, 2, (6, 8))
        missed = [int(np.abs(vectors - b).sum(axis=1).min()) for b in signs]
        rad = Fraction(1, 2) - Fraction(sum(missed), 8 * len(signs))
        for delta in (Fraction(1, 100), Fraction(1, 5), Fraction(9, 10)):
            claims = {k: lower_end([Fraction(k, 8)], 8, delta) for k in set(missed)}
            failures = sum(claims[k] > rad for k in missed)
            assert Fraction(failures, len(signs)) <= delta


SPEC = RunSpec.model_validate(
    {
        "name": "signs",
        "dataset": "digits",
        "model": {"name": "mlp", "hidden": [256], "bias": True},
        "recipe": {"learning_rate": 0.1, "momentum": 0.9, "epochs": 2},
        "seed": 3,
        "rademacher": {"draws": 4, "epochs": 60},
        "assume": ["iid"],
    }
)
N = 1437


@pytest.fixture
def run(tmp_path):
    return load(train(SPEC, tmp_path, silent).directory)


def test_a_draw_whose_training_diverges_misses_every_target_and_stays_a_draw(run, monkeypatch):
    """The second of four trainings has a learning rate at which the loss overflows."""
    diverged = []

    def fit_with_a_wild_second_draw(*, recipe, seed, **arguments):
        if seed == SPEC.seed * 1009 + 2:
            recipe = recipe.model_copy(update={"learning_rate": 1e38})
        try:
            return fit(recipe=recipe, seed=seed, **arguments)
        except DivergedError:
            diverged.append(seed)
            raise

    monkeypatch.setattr(retraining, "fit", fit_with_a_wild_second_draw)
    quantity = rademacher_complexity.measure(Study(run, Fraction(1, 20)))
    assert diverged == [SPEC.seed * 1009 + 2]
    stored = [run.directory / f"quantities/rademacher/{draw}/missed.json" for draw in range(4)]
    missed = [storage.read_json(path, "a draw")["missed"] for path in stored]
    assert missed[1] == N
    assert max(missed[0], missed[2], missed[3]) < N / 2
    kept, dropped = (
        lower_end([Fraction(count, N) for count in counts], N, Fraction(1, 40))
        for counts in (missed, [missed[0], *missed[2:]])
    )
    assert 0 < kept < dropped
    assert quantity.value == Interval.hull(kept, Fraction(1, 2))
    assert quantity.method.startswith("4 random sign draws")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_numbers_miss_every_target(run, monkeypatch, value):
    """Also where the training itself noticed nothing: all weights nan or infinite."""

    def fit_to_nothing(**_):
        params = jax.tree.map(lambda leaf: np.full_like(leaf, value), run.params)
        return Trained(params=params, initial=params, history=(), epochs=0, interpolated=True)

    monkeypatch.setattr(retraining, "fit", fit_to_nothing)
    assert missed_targets(Study(run, Fraction(1, 20))) == [N] * 4
