"""Random signs and what training on them certifies."""

import itertools
from fractions import Fraction

import numpy as np

from boundcheck.quantities.rademacher import lower_end, signs_and_targets


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
