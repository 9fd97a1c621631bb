"""Enclosed features: what is certified to be distinct or independent is so for all values inside the enclosures."""

import itertools
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from boundcheck.quantities.features import Segments, distinct, full_rank, projected


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 3))
def test_never_more_segments_than_can_be_told_apart(seed, n, lines):
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 8, (lines, n)).astype(float)
    high = low + rng.integers(0, 4, (lines, n))
    low[:, rng.random(n) < 0.1] = -np.inf
    found = distinct(Segments(low=low, high=high))
    known = [i for i in range(n) if np.isfinite(low[:, i]).all()]

    def apart(i, j):
        return bool(((low[:, i] > high[:, j]) | (low[:, j] > high[:, i])).any())

    best = max(
        (
            len(s)
            for r in range(n + 1)
            for s in itertools.combinations(known, r)
            if all(apart(*p) for p in itertools.combinations(s, 2))
        ),
        default=0,
    )
    assert found <= best
    assert found >= 1 or not known


def test_projections_contain_the_exact_ones():
    rng = np.random.default_rng(8)
    values, lines = (
        rng.normal(size=(20, 30)) * 10.0 ** rng.integers(-8, 9, (20, 30)),
        rng.normal(size=(30, 2)),
    )
    radii = np.abs(values) * 1e-15 * rng.integers(0, 2, (20, 30))
    low, high = projected(values, radii, lines)
    for i, line in itertools.product(range(20), range(2)):
        for sign in (-1, 1):
            exact = sum(
                (Fraction(v) + sign * Fraction(r) * (1 if w > 0 else -1)) * Fraction(w)
                for v, r, w in zip(
                    values[i].tolist(), radii[i].tolist(), lines[:, line].tolist(), strict=True
                )
            )
            assert Fraction(low[i, line]) <= exact <= Fraction(high[i, line])


def test_full_rank_is_never_claimed_of_what_may_be_singular():
    rng = np.random.default_rng(9)
    for _ in range(60):
        r, q = int(rng.integers(1, 6)), 6
        values = rng.normal(size=(r, q))
        zero = np.zeros((r, q))
        assert full_rank(values, zero)
        least = np.linalg.svd(values)[1].min()
        # The nearest singular matrix lies at the least singular value; its distance entry by entry is within the radii.
        u, sizes, v = np.linalg.svd(values, full_matrices=False)
        nearest = values - sizes[-1] * np.outer(u[:, -1], v[-1])
        assert not full_rank(values, np.abs(values - nearest) * (1 + 1e-12))
        assert full_rank(values, np.full((r, q), least / (10 * q * r)))
        singular = np.concatenate([values, values[:1] if r == 1 else values[:1] + values[1:2]])
        assert not full_rank(singular, np.zeros(singular.shape))
